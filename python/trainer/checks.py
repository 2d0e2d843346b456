"""What is held against each other before a run begins: the model, its data and the machine."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import LlamaForCausalLM

from prepcore.arguments import UsageError
from trainer.compute import device_type
from trainer.initialize.source import check_length, check_vocabulary
from trainer.resolve import RunNumbers
from trainer.tokens import TokenFolder


def check_fit(model: LlamaForCausalLM, source: str, folder: TokenFolder, numbers: RunNumbers) -> None:
    """Refuse a model that does not know the ids of the data, or was made for shorter rows.

    Raises
    ------
    UsageError
        Naming the model and what it has.
    """
    check_vocabulary(folder, model.config.vocab_size, source)
    check_length(numbers.length, model.config.max_position_embeddings, source)


def check_accelerator(name: str, devices: int = 1) -> None:
    """Refuse an accelerator that is not there, or more devices than there are; cores are not counted.

    Raises
    ------
    UsageError
        Naming the option.
    """
    there = {"gpu": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(name, True):
        raise UsageError(f"trainer.accelerator is {name}, but torch finds none", "leave it at auto")
    device = device_type(name)
    found = {"cuda": torch.cuda.device_count(), "mps": 1}.get(device, devices)
    if devices > found:
        raise UsageError(
            f"trainer.devices is {devices}, but torch finds {found} of type {device}",
            f"give at most --trainer.devices {found}",
        )


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
