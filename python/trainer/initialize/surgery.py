"""Depth surgery: the making of a model from some layers of a source.

The new model is built afresh from the source's configuration with only what changes changed, so each layer
knows its own index (the key-value cache is addressed by it) and nothing of the configuration is lost; then
the source's weights are loaded under their new names, the final norm, the embedding and the head among them.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from trainer.initialize.maps import LayerMap
from trainer.initialize.vocabulary import Extension, extended

LAYER_KEY = re.compile(r"model\.layers\.(\d+)\.(.+)")

OUTPUT_PROJECTIONS = ("self_attn.o_proj", "mlp.down_proj")
"""What a block adds to the residual stream comes out of these two; with both zero it is the identity."""

VOCABULARY_KEYS = ("model.embed_tokens.weight", "lm_head.weight")


def operate(
    source: LlamaForCausalLM, layers: LayerMap, extension: Extension | None = None
) -> LlamaForCausalLM:
    """Build a model of some layers of a source, in the source's number type.

    Parameters
    ----------
    source
        Left as it is.
    layers
        Its layers in their new order.
    extension
        The tokens to add, if there are any.

    Returns
    -------
    LlamaForCausalLM
        A new model with weights of its own; the source itself when nothing is changed.
    """
    if layers == LayerMap(tuple(range(source.config.num_hidden_layers))) and extension is None:
        return source
    config: LlamaConfig = copy.deepcopy(source.config)
    config.num_hidden_layers = len(layers.sources)
    state = remap_state(source.state_dict(), layers.sources)
    for key in state:
        if _is_output_of(key, layers.new):
            state[key] = torch.zeros_like(state[key])
    if extension is not None:
        config.vocab_size = extension.rows
        for key in VOCABULARY_KEYS:
            if key in state:
                state[key] = extended(state[key], extension)
    model = LlamaForCausalLM(config).to(source.dtype)
    model.load_state_dict(state)
    model.generation_config = copy.deepcopy(source.generation_config)
    return model


def remap_state(state: Mapping[str, Tensor], layers: Sequence[int]) -> dict[str, Tensor]:
    """Rename the weights of a source so that ``layers[i]`` of it becomes layer ``i``.

    What belongs to no layer keeps its name. A source layer may be used twice: loading copies.
    """
    by_layer: dict[int, dict[str, Tensor]] = {}
    remapped: dict[str, Tensor] = {}
    for key, weight in state.items():
        match = LAYER_KEY.fullmatch(key)
        if match:
            by_layer.setdefault(int(match[1]), {})[match[2]] = weight
        else:
            remapped[key] = weight
    for new, old in enumerate(layers):
        remapped |= {f"model.layers.{new}.{name}": weight for name, weight in by_layer[old].items()}
    return remapped


def train_only(model: LlamaForCausalLM, layers: Sequence[int]) -> None:
    """Let some layers learn and nothing else (LLaMA-Pro trains its new blocks alone).

    Weights that do not learn get no gradient, so an optimizer leaves them and keeps no moments of them.
    """
    model.requires_grad_(False)
    for layer in layers:
        model.model.layers[layer].requires_grad_(True)


def _is_output_of(key: str, layers: Sequence[int]) -> bool:
    """Whether a weight or bias is of the output projections of some layers."""
    match = LAYER_KEY.fullmatch(key)
    return match is not None and int(match[1]) in layers and match[2].startswith(OUTPUT_PROJECTIONS)
