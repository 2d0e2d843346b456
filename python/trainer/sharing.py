"""One model in all processes: made by the first, received by the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from trainer.processes import Processes


@dataclass(frozen=True)
class Outline:
    """What a model is besides its weights.

    Attributes
    ----------
    config, generation_config
        Its configurations.
    dtype
        Number type of its weights.
    frozen
        Names of the weights that do not learn.
    """

    config: LlamaConfig
    generation_config: Any
    dtype: torch.dtype
    frozen: tuple[str, ...]


def made_by_first(make: Callable[[], LlamaForCausalLM], processes: Processes) -> LlamaForCausalLM:
    """Have the first process make a model, or read it, and return the same one in all processes.

    So what decides about it (a seed, the influence of blocks, whose rounding may differ between devices) is
    decided once. Each process holds all of it in main memory.

    Raises
    ------
    UsageError
        That of the first process, in all of them.
    """
    if processes.count == 1:
        return make()
    made: list[LlamaForCausalLM] = []

    def outline() -> Outline:
        made.append(make().cpu())
        return outline_of(made[0])

    described = processes.by_first(outline)
    model = made[0] if processes.first else blank(described)
    for tensor in (*model.parameters(), *model.buffers()):
        processes.share(tensor.data)
    return model


def outline_of(model: LlamaForCausalLM) -> Outline:
    """Describe a model without its weights."""
    frozen = tuple(name for name, weight in model.named_parameters() if not weight.requires_grad)
    return Outline(model.config, model.generation_config, model.dtype, frozen)


def blank(outline: Outline) -> LlamaForCausalLM:
    """Make a model whose weights are whatever the memory holds."""
    with torch.device("meta"):
        model = LlamaForCausalLM(outline.config).to(outline.dtype)
    model = model.to_empty(device="cpu")
    # Each name has memory of its own by now, also that of a matrix with two.
    model.tie_weights()
    for name, weight in model.named_parameters():
        weight.requires_grad_(name not in outline.frozen)
    model.generation_config = outline.generation_config
    return model
