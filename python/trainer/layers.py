"""Decoder layers that are compiled one by one, and that may forget what they can compute again.

Both apply to training as :class:`~trainer.model.LlamaModule` does it. Evaluation and generation call the same
layers as they are: they would compile for every length of text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint
from transformers import LlamaForCausalLM

LayerForward = Callable[..., Tensor]


def prepare_layers(model: LlamaForCausalLM, *, compiled: bool, recompute_every: int = 0) -> None:
    """Set how the layers of a model are computed in training; what was set before no longer holds.

    The layers run the same code, so all of them are one graph that is compiled once. The whole model is never
    compiled: transformers would make dense masks inside, and it takes the longer the more layers it has.

    Parameters
    ----------
    model
        Its decoder layers are changed, their parameters and their names are not.
    compiled
        Whether layers are compiled, at their first use in training.
    recompute_every
        Activation checkpointing (Chen et al., 2016) of every so many layers: 1 is each, 0 is none. What
        happens within such a layer is not kept but computed again on the way back; dropout draws the same.
    """
    for index, layer in enumerate(model.model.layers):
        vars(layer).pop("forward", None)
        recomputed = recompute_every > 0 and index % recompute_every == 0
        if compiled or recomputed:
            layer.forward = _in_training(layer.forward, compiled=compiled, recomputed=recomputed)


def _in_training(plain: LayerForward, *, compiled: bool, recomputed: bool) -> LayerForward:
    chosen = torch.compile(plain) if compiled else plain

    def forward(hidden: Tensor, *arguments: Any, **named: Any) -> Tensor:
        # `isolated` is what LlamaModule passes, and nobody else.
        if not (named.get("isolated") and torch.is_grad_enabled()):
            return plain(hidden, *arguments, **named)
        if not recomputed:
            return chosen(hidden, *arguments, **named)
        kept: Tensor = checkpoint(chosen, hidden, *arguments, use_reentrant=False, **named)
        return kept

    return forward
