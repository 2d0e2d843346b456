"""A new model with random weights."""

from __future__ import annotations

import math

import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from trainer.config import ModelConfig
from trainer.initialize.description import random_description
from trainer.initialize.surgery import OUTPUT_PROJECTIONS


def random_configuration(
    model: ModelConfig, *, vocabulary_size: int, sequence_length: int, bos: int | None, eos: int | None
) -> LlamaConfig:
    """Describe a new model.

    Parameters
    ----------
    model
        The architecture, or the preset that has it.
    vocabulary_size
        Ids of the tokenizer: the size of the embedding where the configuration has none, else the least.
    sequence_length
        Longest text, where the configuration has none.
    bos, eos
        Ids that begin and end a document, or None.

    Raises
    ------
    UsageError
        When a size is missing, or sizes do not fit each other or the tokenizer.
    """
    return LlamaConfig(
        **random_description(model, vocabulary_size=vocabulary_size, sequence_length=sequence_length),
        bos_token_id=bos,
        eos_token_id=eos,
    )


def random_model(
    config: LlamaConfig, seed: int, *, distribution: str = "normal", depth_scaled: bool = False
) -> LlamaForCausalLM:
    """Build a model with new weights: matrices normal with deviation ``initializer_range``, norms one.

    The same seed gives the same weights whatever was drawn before, and what is drawn after is not disturbed.

    Parameters
    ----------
    config
        What to build.
    seed
        Seed of the draws.
    distribution
        ``normal`` is what transformers does. ``truncated`` draws again what lies beyond two deviations, so
        that no weight begins as an outlier; what is left deviates by 0.88 ``initializer_range``.
    depth_scaled
        Whether to divide the projections that write into the residual stream by the root of their number, two
        a layer, so that its variance does not grow with depth (GPT-2; Radford et al., 2019).
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config)
        if distribution == "truncated":
            _truncate(model, config.initializer_range)
    if depth_scaled:
        _scale_outputs(model)
    return model


@torch.no_grad()
def _truncate(model: LlamaForCausalLM, deviation: float) -> None:
    """Draw every matrix anew from a normal distribution cut at two deviations; tied ones once."""
    for matrix in model.parameters():
        if matrix.ndim == 2:
            nn.init.trunc_normal_(matrix, std=deviation, a=-2 * deviation, b=2 * deviation)


@torch.no_grad()
def _scale_outputs(model: LlamaForCausalLM) -> None:
    layers = model.model.layers
    for layer in layers:
        for name in OUTPUT_PROJECTIONS:
            layer.get_submodule(name).weight /= math.sqrt(2 * len(layers))
