from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import AddedToken, Tokenizer
from torch.nn import functional as F
from transformers import LlamaForCausalLM

from prepcore.arguments import UsageError
from tests.trainer.folders import write_byte_tokenizer
from trainer.config import InitConfig, ModelConfig
from trainer.initialize.around import Surroundings
from trainer.initialize.build import Initialized, build
from trainer.initialize.source import check_source
from trainer.initialize.vocabulary import plan_extension

TEXT = (
    "Once upon a time, there was a little girl named Lily. She loved to play outside in the park with her "
    "friends. One day, she saw a big dog and wanted to pet it."
)
NEW = ["▁kangaroo", "tion", "▁wonderful"]


def extended_tokenizer(source: Path, folder: Path, added: tuple[str, ...] = ("<|user|>", "Wombat")) -> Path:
    """The tokenizer of a source with tokens in the model's own alphabet, and tokens beside it."""
    described = json.loads((source / "tokenizer.json").read_text())
    vocabulary = described["model"]["vocab"]
    for token in NEW:
        vocabulary[token] = len(vocabulary)
    folder.mkdir()
    (folder / "tokenizer.json").write_text(json.dumps(described))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in added])
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def extended(
    source: Path, tokenizer: Path, strategy: Any = "continue", layers: int | None = None
) -> Initialized:
    init = InitConfig(strategy=strategy, source=str(source), layers=layers, vocabulary="extend")
    return build(ModelConfig(init=init), Surroundings(tokenizer=tokenizer))


def loss_on_old_text(model: LlamaForCausalLM, source: Path) -> float:
    ids = torch.tensor([[1, *Tokenizer.from_file(str(source / "tokenizer.json")).encode(TEXT).ids]])
    with torch.no_grad():
        logits = model.eval()(ids, use_cache=False).logits
    return F.cross_entropy(logits[0, :-1], ids[0, 1:]).item()


def test_new_rows_are_the_mean_of_what_spelled_them(stories: Path, tmp_path: Path) -> None:
    larger = extended_tokenizer(stories, tmp_path / "larger")
    model, facts = extended(stories, larger)
    old = Tokenizer.from_file(str(stories / "tokenizer.json"))
    rows = model.model.embed_tokens.weight.detach()
    source = LlamaForCausalLM.from_pretrained(stories, dtype=torch.float32).model.embed_tokens.weight.detach()
    assert facts.vocabulary == {
        "source_rows": 512, "rows": 576, "new_tokens": 5, "spelled": 5, "unspelled": 0, "padding": 59,
    }  # fmt: skip
    assert model.config.vocab_size == len(rows) == 576
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert torch.equal(rows[:512], source)
    for token, number in Tokenizer.from_file(str(larger / "tokenizer.json")).get_vocab().items():
        if number < 512:
            continue
        # The pieces in the middle of a text, as which a token without a blank before it is written.
        plain = token.replace("▁", " ") if token in NEW else " " + token
        pieces = old.encode(plain.removeprefix(" "), add_special_tokens=False).ids
        if token == "tion":
            pieces = [piece.id for piece in old.model.tokenize("tion")]
            assert [old.id_to_token(piece) for piece in pieces] == ["t", "i", "on"]
        torch.testing.assert_close(rows[number], source[pieces].mean(dim=0))
    torch.testing.assert_close(rows[570], source.mean(dim=0))


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(
    ("strategy", "layers"),
    [("continue", None), ("downscale", 4), ("upscale", 6), ("expand", 7), ("stack", 10)],
)
def test_the_loss_on_old_text_stays_where_it_was(
    stories: Path, tmp_path: Path, strategy: Any, layers: int | None, tied: bool
) -> None:
    source = stories
    if not tied:
        source = tmp_path / "untied"
        model = LlamaForCausalLM.from_pretrained(stories, dtype=torch.float32)
        head = model.model.embed_tokens.weight.detach().clone()
        model.config.tie_word_embeddings = False
        model.lm_head.weight = torch.nn.Parameter(head)
        model.save_pretrained(source)
        (source / "tokenizer.json").write_bytes((stories / "tokenizer.json").read_bytes())
    larger = extended_tokenizer(stories, tmp_path / "larger")
    init = InitConfig(strategy=strategy, source=str(source), layers=layers)
    before = loss_on_old_text(build(ModelConfig(init=init), Surroundings()).model, source)
    made = extended(source, larger, strategy, layers).model
    after = loss_on_old_text(made, source)
    print(f"{strategy}, {'tied' if tied else 'untied'}: {before:.5f} nats before, {after:.5f} after")
    assert before <= after < before + 0.01
    ids = torch.tensor([[1, 403, 407, 261, 378]])
    generated = [
        made.generate(ids, max_new_tokens=15, do_sample=False, use_cache=c).tolist() for c in (True, False)
    ]
    assert generated[0] == generated[1]


def test_mean_rows_raise_no_loss_by_more_than_their_share(stories: Path, tmp_path: Path) -> None:
    # A word-level tokenizer spells nothing it does not have: every new token is the mean of all.
    write_byte_tokenizer(tmp_path / "small", 90)
    write_byte_tokenizer(tmp_path / "large", 96)
    described = json.loads((tmp_path / "small" / "tokenizer.json").read_text())
    assert described["model"]["type"] == "WordLevel"
    plan = plan_extension(tmp_path / "large", tmp_path / "small", rows=90)
    assert plan.spelled == {}
    assert plan.unspelled == tuple(range(90, 96))
    assert plan.rows == 128
    larger = extended_tokenizer(stories, tmp_path / "larger", added=())
    before = loss_on_old_text(LlamaForCausalLM.from_pretrained(stories, dtype=torch.float32), stories)
    after = loss_on_old_text(extended(stories, larger).model, stories)
    assert after - before < math.log(1 + 64 / 512)


def test_padding_of_the_source_is_used_before_rows_are_added(tmp_path: Path) -> None:
    write_byte_tokenizer(tmp_path / "small", 90)
    write_byte_tokenizer(tmp_path / "large", 95)
    plan = plan_extension(tmp_path / "large", tmp_path / "small", rows=96)
    assert (plan.rows, plan.padding, plan.unspelled) == (96, (), (90, 91, 92, 93, 94))
    assert plan.known == tuple(range(90))


def test_what_is_no_extension_is_refused(stories: Path, tmp_path: Path) -> None:
    larger = extended_tokenizer(stories, tmp_path / "larger")
    with pytest.raises(UsageError, match=r"has no token that .* lacks"):
        plan_extension(stories, stories, 512)
    with pytest.raises(UsageError, match=r"has no token '▁kangaroo', id 512 of .*, and 4 others"):
        plan_extension(stories, larger, 576)
    write_byte_tokenizer(tmp_path / "other", 600)
    with pytest.raises(UsageError, match="are other tokens in"):
        plan_extension(tmp_path / "other", stories, 512)
    init = InitConfig(strategy="continue", source=str(stories), vocabulary="extend")
    with pytest.raises(UsageError, match=r"but the data has no tokenizer\.json"):
        check_source(ModelConfig(init=init))
