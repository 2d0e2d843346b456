from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from transformers import LlamaForCausalLM

from prepcore.arguments import UsageError
from tests.trainer.models import tiny_llama
from trainer.config import GenerateConfig
from trainer.generate import choose, encode_prompt, generate, stream_text, stream_tokens
from trainer.tokenizer import open_tokenizer


def test_greedy_equals_transformers(stories: Path) -> None:
    model = LlamaForCausalLM.from_pretrained(stories, dtype=torch.float32).eval()
    tokenizer = open_tokenizer(stories)
    for prompt in ("Once upon a time", "", "Lily saw a"):
        ids = encode_prompt(tokenizer, prompt, model)
        assert ids[0] == 1
        wanted = model.generate(torch.tensor([ids]), max_new_tokens=60, do_sample=False)[
            0, len(ids) :
        ].tolist()
        found = list(stream_tokens(model, ids, max_new_tokens=60, temperature=0))
        assert found == [token for token in wanted if token != 2]


def test_streamed_text_is_the_text_of_all_tokens(stories: Path) -> None:
    text = "".join(
        generate(
            GenerateConfig(
                checkpoint=[str(stories)], prompt="Once upon a time", max_new_tokens=40, temperature=0
            )
        )
    )
    print(text)
    assert text.startswith("Once upon a time, there was a little")
    tokenizer = open_tokenizer(stories)
    ids = tokenizer.encode("Once", add_special_tokens=False).ids
    rest = tokenizer.encode(" upon a café 🙂 time", add_special_tokens=False).ids
    assert "".join(stream_text(tokenizer, ids, iter(rest))) == tokenizer.decode([*ids, *rest])[len("Once") :]


def test_a_seed_gives_the_same_text_again_and_disturbs_nobody() -> None:
    model = tiny_llama().eval()
    torch.manual_seed(0)
    wanted = torch.rand(1)
    torch.manual_seed(0)
    first = list(stream_tokens(model, [1, 5], max_new_tokens=20, seed=3))
    assert torch.rand(1) == wanted
    assert first == list(stream_tokens(model, [1, 5], max_new_tokens=20, seed=3))
    assert first != list(stream_tokens(model, [1, 5], max_new_tokens=20, seed=4))


@pytest.mark.parametrize(
    ("top_k", "top_p", "possible"),
    [(2, None, {0, 1}), (None, 0.6, {0, 1}), (None, 0.0, {0}), (3, 0.99, {0, 1, 2})],
)
def test_top_k_and_top_p_cut_the_tail(top_k: int | None, top_p: float | None, possible: set[int]) -> None:
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
    generator = torch.Generator().manual_seed(0)
    drawn = {int(choose(logits, 1.0, top_k, top_p, generator)) for _ in range(200)}
    assert drawn == possible


def test_prompts_begin_as_documents_did() -> None:
    model = tiny_llama()
    tokenizer = Tokenizer.from_str(
        '{"version":"1.0","model":{"type":"WordLevel","vocab":{"a":5},"unk_token":"a"},"added_tokens":[]}'
    )
    assert encode_prompt(tokenizer, "a", model) == [1, 5]
    model.config.bos_token_id = None
    assert encode_prompt(tokenizer, "a", model) == [5]
    assert encode_prompt(tokenizer, "", model) == [2]


def test_what_is_not_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is not a model folder: it has no config\.json"):
        next(generate(GenerateConfig(checkpoint=[str(tmp_path)])))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UsageError, match=r"has no tokenizer\.json"):
        next(generate(GenerateConfig(checkpoint=[str(tmp_path)])))
