"""The description of a new model, as ``config.json`` has it; without torch."""

from __future__ import annotations

from typing import Any

from prepcore.arguments import UsageError
from trainer.config import ModelConfig, with_preset

REQUIRED = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")

# Where a configuration is silent: the values of Llama 2 (Touvron et al., 2023) as transformers has them.
DEFAULTS = {
    "rms_norm_eps": 1e-6,
    "rope_theta": 10_000.0,
    "tie_word_embeddings": False,
    "initializer_range": 0.02,
}


def random_description(model: ModelConfig, *, vocabulary_size: int, sequence_length: int) -> dict[str, Any]:
    """Describe a new model under the names of ``LlamaConfig``.

    Parameters
    ----------
    model
        The architecture, or the preset that has it.
    vocabulary_size
        Ids of the tokenizer: the size of the embedding where the configuration has none, else the least.
    sequence_length
        Longest text, where the configuration has none.

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
    return {
        "vocab_size": vocab_size,
        "hidden_size": model.hidden_size,
        "intermediate_size": model.intermediate_size,
        "num_hidden_layers": model.num_hidden_layers,
        "num_attention_heads": model.num_attention_heads,
        "num_key_value_heads": model.num_key_value_heads or model.num_attention_heads,
        "max_position_embeddings": model.max_position_embeddings or sequence_length,
        "rms_norm_eps": chosen["rms_norm_eps"],
        "rope_parameters": {"rope_type": "default", "rope_theta": chosen["rope_theta"]},
        "tie_word_embeddings": chosen["tie_word_embeddings"],
        "initializer_range": chosen["initializer_range"],
    }


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
