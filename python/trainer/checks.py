"""What is held against each other before a run begins: the model, its data and the machine."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from prepcore.arguments import UsageError
from trainer.resolve import RunNumbers
from trainer.tokens import TokenFolder, check_largest


def check_fit(model: LlamaForCausalLM, source: str, folder: TokenFolder, numbers: RunNumbers) -> None:
    """Refuse a model that does not know the ids of the data, or was made for shorter rows.

    Raises
    ------
    UsageError
        Naming the model and what it has.
    """
    vocabulary = model.config.vocab_size
    if folder.largest is not None:
        check_largest(folder.path, folder.largest, vocabulary, f"the model {source}")
    elif vocabulary < folder.vocabulary_size:
        raise UsageError(
            f"{folder.path} was packed with {folder.vocabulary_size:,} token ids, but the model {source} "
            f"knows {vocabulary:,}",
            "pack the documents with the tokenizer of the model",
        )
    check_length(model.config, source, numbers)


def check_length(described: LlamaConfig, name: str, numbers: RunNumbers) -> None:
    """Refuse rows longer than the texts a model is made for.

    Raises
    ------
    UsageError
        Naming the model and its length.
    """
    longest = described.max_position_embeddings
    if numbers.length > longest:
        raise UsageError(
            f"rows have {numbers.length:,} tokens, but {name} is made for {longest:,}",
            "give a shorter --data.sequence-length",
        )


def check_accelerator(name: str) -> None:
    """Refuse an accelerator that is not there.

    Raises
    ------
    UsageError
        Naming the option.
    """
    there = {"gpu": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(name, True):
        raise UsageError(f"trainer.accelerator is {name}, but torch finds none", "leave it at auto")


def tokenizer_of(folder: TokenFolder) -> Path:
    """Return the tokenizer of the data, which prompts need.

    Raises
    ------
    UsageError
        When it has none.
    """
    if folder.tokenizer is None:
        raise UsageError(
            f"--prompts needs a tokenizer, and the rows of {folder.path} have none",
            "give --data.tokenizer DIR",
        )
    return folder.tokenizer
