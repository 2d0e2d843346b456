"""Depth surgery against mergekit's `passthrough`, which copies layers and computes nothing: bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from mergekit.config import MergeConfiguration
from mergekit.merge import MergeOptions, run_merge
from safetensors.torch import load_file
from transformers import LlamaForCausalLM

from tests.trainer.models import tiny_llama
from trainer.cli import main

SURGERIES = [
    ("downscale", 3, [(0, 2), (4, 5)]),
    ("upscale", 8, [(0, 4), (1, 5)]),
    ("stack", 10, [(0, 5), (0, 5)]),
]


def merged(source: Path, slices: list[tuple[int, int]], out: Path, dtype: str) -> dict[str, torch.Tensor]:
    """Let mergekit write a model of ranges of layers."""
    recipe = {
        "merge_method": "passthrough",
        "dtype": dtype,
        "slices": [{"sources": [{"model": str(source), "layer_range": list(layers)}]} for layers in slices],
    }
    options = MergeOptions(copy_tokenizer=False, quiet=True, lora_merge_cache=str(out / "cache"))
    run_merge(MergeConfiguration.model_validate(yaml.safe_load(yaml.safe_dump(recipe))), str(out), options)
    return weights(out)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return {name: tensor for file in folder.glob("*.safetensors") for name, tensor in load_file(file).items()}


def made(source: Path, strategy: str, layers: int, out: Path) -> dict[str, torch.Tensor]:
    words = {"strategy": strategy, "source": source, "layers": layers}
    options = [f"--model.init.{name}={value}" for name, value in words.items()]
    assert main(["init", *options, "--out", str(out)]) == 0
    return weights(out)


@pytest.mark.parametrize(("strategy", "layers", "slices"), SURGERIES)
@pytest.mark.parametrize("which", ["stories260k", "untied, bf16", "tied, fp32"])
def test_surgery_equals_mergekit_passthrough(
    stories: Path, tmp_path: Path, which: str, strategy: str, layers: int, slices: Any
) -> None:
    source, dtype = stories, "float32"
    if which != "stories260k":
        tied, dtype = which == "tied, fp32", "bfloat16" if "bf16" in which else "float32"
        model = tiny_llama(num_hidden_layers=5, tie_word_embeddings=tied).to(getattr(torch, dtype))
        source = tmp_path / "source"
        model.save_pretrained(source)
    ours = made(source, strategy, layers, tmp_path / "ours")
    theirs = merged(source, slices, tmp_path / "theirs", dtype)
    # A tied head is the embedding; whether a file states it a second time changes nothing.
    for state in (ours, theirs):
        if LlamaForCausalLM.config_class.from_pretrained(source).tie_word_embeddings:
            state.pop("lm_head.weight", None)
    assert ours.keys() == theirs.keys()
    assert sum(name.endswith("q_proj.weight") for name in ours) == layers
    for name, weight in ours.items():
        assert weight.dtype == theirs[name].dtype == getattr(torch, dtype), name
        assert torch.equal(weight.view(torch.uint8), theirs[name].view(torch.uint8)), name
    print(f"{which}, {strategy}: {len(ours)} tensors equal mergekit's, bit for bit")
