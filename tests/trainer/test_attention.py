from __future__ import annotations

import torch

from tests.trainer.models import tiny_llama
from trainer.attention import PACKED
from trainer.config import OptimizerConfig
from trainer.model import LlamaModule


def test_packed_logits_equal_separate_logits() -> None:
    model = tiny_llama()
    module = LlamaModule(model, optimizer=OptimizerConfig(), learning_rate=lambda step: 0.0)
    torch.manual_seed(3)
    rows = [[5, 9, 2], [1, 16]]  # lengths of the documents in each row
    documents = [[torch.randint(0, 96, (length,)) for length in row] for row in rows]
    packed = torch.stack(
        [torch.cat(row) for row in [[*documents[0]], [*documents[1][:1], documents[1][1][:15]]]]
    )
    positions = torch.stack(
        [
            torch.cat([torch.arange(5), torch.arange(9), torch.arange(2)]),
            torch.cat([torch.arange(1), torch.arange(15)]),
        ]
    )
    with torch.no_grad():
        together = model.lm_head(module(packed, positions))
        start = 0
        for document in documents[0]:
            alone = model.set_attn_implementation("eager") or model(input_ids=document[None]).logits[0]
            torch.testing.assert_close(
                together[0, start : start + len(document)], alone, rtol=1e-4, atol=1e-5
            )
            start += len(document)
        alone = model(input_ids=documents[1][1][None, :15]).logits[0]
        torch.testing.assert_close(together[1, 1:], alone, rtol=1e-4, atol=1e-5)
        model.set_attn_implementation(PACKED)
        leaking = model.lm_head(module(packed))
    # The check can fail: without isolation the second document's logits are others.
    assert (leaking[0, 5:] - together[0, 5:]).abs().max() > 0.1


def test_generation_through_our_attention_equals_the_stock_one() -> None:
    model = tiny_llama().eval()
    prompt = torch.tensor([[1, 7, 30, 4]])
    stock = model.generate(prompt, max_new_tokens=12, do_sample=False, eos_token_id=None)
    model.set_attn_implementation(PACKED)
    ours = model.generate(prompt, max_new_tokens=12, do_sample=False, eos_token_id=None)
    assert ours.tolist() == stock.tolist()
