"""Opening a model that somebody trained: Hugging Face folders, hub ids, our own checkpoints."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoConfig, LlamaConfig, LlamaForCausalLM

from prepcore.arguments import UsageError
from trainer.config import ModelConfig
from trainer.initialize.source import check_kind, check_sizes, read_description

# What a Llama's configuration shares with a Mistral's, whose weights have the same names and meanings.
SHARED_WITH_MISTRAL = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "hidden_act",
    "max_position_embeddings",
    "initializer_range",
    "rms_norm_eps",
    "rope_parameters",
    "attention_dropout",
    "tie_word_embeddings",
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
)


def llama_configuration(source: str) -> LlamaConfig:
    """Read the configuration of a source as a Llama's.

    Raises
    ------
    UsageError
        When there is no model, or its architecture is not a Llama's: a Mistral with a sliding window attends
        differently, and anything else is another model.
    """
    check_kind(read_description(source), source)
    try:
        config = AutoConfig.from_pretrained(source)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{source}: there is no model that transformers can open ({str(error).splitlines()[0]})",
            "wanted a folder with config.json and safetensors files, or a hub id",
        ) from error
    check_kind(config.to_dict(), source)
    if config.model_type == "llama":
        return config
    return LlamaConfig(**{name: getattr(config, name) for name in SHARED_WITH_MISTRAL})


def open_source(source: str, dtype: torch.dtype | str = torch.float32) -> LlamaForCausalLM:
    """Open a model, sharded files included.

    Parameters
    ----------
    source
        Folder or hub id.
    dtype
        Number type of the weights; ``auto`` is that of the files. Training wants fp32: without a type
        transformers would take the file's, bf16 as a rule, and small updates would be rounded away.

    Raises
    ------
    UsageError
        As :func:`llama_configuration`, and when weights are missing.
    """
    config = llama_configuration(source)
    try:
        opened: tuple[LlamaForCausalLM, dict[str, Any]] = LlamaForCausalLM.from_pretrained(
            source, config=config, dtype=dtype, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise UsageError(
            f"{source}: the weights cannot be read ({str(error).splitlines()[0]})",
            "wanted safetensors files that fit config.json; copy or download the folder again",
        ) from error
    model, info = opened
    for fault in ("missing_keys", "unexpected_keys"):
        if info[fault]:
            raise UsageError(
                f"{source}: {len(info[fault])} {fault.replace('_', ' ')}, "
                f"the first is {sorted(info[fault])[0]}",
                "the weight files do not fit config.json",
            )
    return model


def check_architecture(model: ModelConfig, source: LlamaConfig) -> None:
    """Refuse a configuration that describes another model than its source.

    Raises
    ------
    UsageError
        As :func:`~trainer.initialize.source.check_sizes`, which this asks with every size there is.
    """
    check_sizes(model, source.to_dict())
