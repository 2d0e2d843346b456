"""Small models for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from tests.trainer.folders import write_byte_tokenizer
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


def model_folder(path: Path, seed: int = 0, **changes: Any) -> Path:
    """Write a small Llama whose tokens are characters, with its tokenizer, as a Hugging Face folder."""
    tiny_llama(
        seed, **{"max_position_embeddings": 512, "bos_token_id": 1, "eos_token_id": 2, **changes}
    ).save_pretrained(path)
    write_byte_tokenizer(path / "tokenizer", 96)
    (path / "tokenizer" / "tokenizer.json").rename(path / "tokenizer.json")
    (path / "tokenizer").rmdir()
    special = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    (path / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", **special})
    )
    return path
