"""Opening checkpoints and letting go of them: what must be there, where, in which number type."""

from __future__ import annotations

import gc
from pathlib import Path

from prepcore.arguments import UsageError
from trainer.run_folder import check_model_folder
from trainer.tokenizer import open_tokenizer

WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
"""The files that have the weights of a checkpoint."""


def check_checkpoint(folder: Path) -> None:
    """Refuse a folder without a model, its weights or its tokenizer.

    Raises
    ------
    UsageError
        Saying what is not there.
    """
    check_model_folder(folder)
    if not any(True for pattern in WEIGHTS for _ in folder.glob(pattern)):
        raise UsageError(f"{folder} has no weights", "wanted files that end in .safetensors or .bin")
    open_tokenizer(folder)


def resolve_device(device: str, dtype: str) -> tuple[str, str]:
    """Turn ``auto`` into a device that is there, and into the number type for it.

    Raises
    ------
    UsageError
        When torch does not find the device.
    """
    import torch

    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        device = next(name for name in ("cuda", "mps", "cpu") if there[name])
    if not there[device]:
        raise UsageError(f"device is {device}, but torch finds none", "leave it at auto")
    if dtype == "auto":
        dtype = "bf16" if device == "cuda" else "fp32"
    return device, dtype


def free_memory() -> None:
    """Give back what a model or a measure held, most of all one that ran out of memory."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
