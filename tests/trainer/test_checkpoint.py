"""A checkpoint folder is a Hugging Face folder: the same logits, readable by whoever reads its neighbours."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

from trainer.checkpoint import write_folder
from trainer.config import OptimizerConfig
from trainer.model import LlamaModule


def test_the_folder_gives_the_same_logits(stories: Path, tmp_path: Path) -> None:
    source = LlamaForCausalLM.from_pretrained(stories, dtype=torch.float32)
    module = LlamaModule(source, optimizer=OptimizerConfig(), learning_rate=lambda _: 0.0)
    # Weights that are no longer the source's.
    with torch.no_grad():
        for weight in module.parameters():
            weight.add_(torch.randn_like(weight), alpha=0.01)
    ids = torch.randint(0, source.config.vocab_size, (2, 48))
    with torch.no_grad():
        expected = module.model.lm_head(module(ids))
    write_folder(module.model, stories, tmp_path / "checkpoint")
    opened = AutoModelForCausalLM.from_pretrained(tmp_path / "checkpoint", dtype=torch.float32)
    with torch.no_grad():
        seen = opened(input_ids=ids).logits
    print("largest difference of the logits:", (seen - expected).abs().max().item())
    torch.testing.assert_close(seen, expected, rtol=0, atol=1e-5)
    text = "Once upon a time"
    tokenizers = [AutoTokenizer.from_pretrained(folder) for folder in (stories, tmp_path / "checkpoint")]
    assert tokenizers[0](text)["input_ids"] == tokenizers[1](text)["input_ids"]


def test_all_files_may_be_read_by_the_same_people(stories: Path, tmp_path: Path) -> None:
    model = LlamaForCausalLM.from_pretrained(stories, dtype=torch.float32)
    write_folder(model, stories, tmp_path / "checkpoint", {"step": 1})
    assert len({file.stat().st_mode for file in (tmp_path / "checkpoint").iterdir()}) == 1
