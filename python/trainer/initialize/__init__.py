"""Where the first weights of a model come from.

One rule for all strategies: a fresh configuration with only what changes changed, a model built from it, a
remapped state dict loaded into it. :mod:`~trainer.initialize.random` makes new weights,
:mod:`~trainer.initialize.pretrained` opens a source, :mod:`~trainer.initialize.depth` chooses and renames its
layers.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from transformers import LlamaForCausalLM

from trainer.config import ModelConfig
from trainer.initialize.depth import layer_map, with_layers
from trainer.initialize.pretrained import check_architecture, open_source

__all__ = ["Surgery", "from_source", "parameter_count"]


@dataclass(frozen=True)
class Surgery:
    """A model made of a source.

    Attributes
    ----------
    source
        The source as it was opened; the model itself when nothing was changed.
    model
        The new model.
    layers
        The source's layers in their new order.
    """

    source: LlamaForCausalLM
    model: LlamaForCausalLM
    layers: list[int]

    @property
    def changed(self) -> bool:
        """Whether the model has other layers than its source."""
        return self.model is not self.source


def from_source(model: ModelConfig, dtype: torch.dtype | str = torch.float32) -> Surgery:
    """Open the source of an initialisation and operate on it.

    Parameters
    ----------
    model
        With strategy ``continue``, ``downscale`` or ``upscale``, and its source.
    dtype
        As for :func:`~trainer.initialize.pretrained.open_source`.

    Raises
    ------
    UsageError
        When the source cannot be opened, is not what is described, or does not allow the surgery.
    """
    init = model.init
    if init.source is None:
        raise ValueError(f"strategy {init.strategy} needs a source")
    source = open_source(init.source, dtype)
    check_architecture(model, source.config)
    layers = layer_map(init, source.config.num_hidden_layers)
    return Surgery(source, source if init.strategy == "continue" else with_layers(source, layers), layers)


def parameter_count(model: LlamaForCausalLM) -> int:
    """Count the parameters, tied ones once."""
    return sum(parameter.numel() for parameter in model.parameters())
