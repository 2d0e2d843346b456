"""A new model with random weights."""

from __future__ import annotations

import math

import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from prepcore.arguments import UsageError
from trainer.config import ModelConfig, with_preset
from trainer.initialize.surgery import OUTPUT_PROJECTIONS

REQUIRED = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")

# Where a configuration is silent: the values of Llama 2 (Touvron et al., 2023) as transformers has them.
DEFAULTS = {
    "rms_norm_eps": 1e-6,
    "rope_theta": 10_000.0,
    "tie_word_embeddings": False,
    "initializer_range": 0.02,
}


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
    model = with_preset(model)
    for name in REQUIRED:
        if getattr(model, name) is None:
            raise UsageError(
                f"model.{name.replace('_', '-')} is missing: a new model needs its sizes",
                "--config demo or --model.preset tinysolar-248m have them all",
            )
    vocab_size = model.vocab_size or vocabulary_size
    if vocab_size < vocabulary_size:
        raise UsageError(
            f"model.vocab-size is {vocab_size:,}, but the tokenizer of the data has {vocabulary_size:,} ids",
            "leave it out to take the tokenizer's",
        )
    _check_heads(model)
    chosen = {
        name: default if (value := getattr(model, name)) is None else value
        for name, default in DEFAULTS.items()
    }
    return LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=model.hidden_size,
        intermediate_size=model.intermediate_size,
        num_hidden_layers=model.num_hidden_layers,
        num_attention_heads=model.num_attention_heads,
        num_key_value_heads=model.num_key_value_heads or model.num_attention_heads,
        max_position_embeddings=model.max_position_embeddings or sequence_length,
        rms_norm_eps=chosen["rms_norm_eps"],
        rope_parameters={"rope_type": "default", "rope_theta": chosen["rope_theta"]},
        tie_word_embeddings=chosen["tie_word_embeddings"],
        initializer_range=chosen["initializer_range"],
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


def _check_heads(model: ModelConfig) -> None:
    width, heads = model.hidden_size or 0, model.num_attention_heads or 1
    shared = model.num_key_value_heads or heads
    if width % heads or (width // heads) % 2:
        raise UsageError(
            f"model.hidden-size is {width} and model.num-attention-heads is {heads}",
            "wanted a width that gives each head an even number of dimensions",
        )
    if heads % shared:
        raise UsageError(
            f"model.num-key-value-heads is {shared}: wanted a divisor of model.num-attention-heads, {heads}",
            "leave it out for as many as there are query heads",
        )
