"""Small models for tests."""

from __future__ import annotations

from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from trainer.config import FitConfig, ModelConfig

SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}


def tiny_llama(seed: int = 0, vocabulary: int = 96, **changes: Any) -> LlamaForCausalLM:
    """A Llama with weights large enough that attention matters."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        **{
            **SIZES,
            "vocab_size": vocabulary,
            "initializer_range": 0.2,
            "max_position_embeddings": 64,
            **changes,
        }
    )
    return LlamaForCausalLM(config)


def tiny_model_config() -> ModelConfig:
    return ModelConfig(**SIZES)


def dotted(config: FitConfig, **sections: dict[str, Any]) -> FitConfig:
    """Change fields of sections: ``dotted(config, trainer={"max_steps": 3})``."""
    import dataclasses

    changed = {
        name: dataclasses.replace(getattr(config, name), **fields) for name, fields in sections.items()
    }
    return dataclasses.replace(config, **changed)
