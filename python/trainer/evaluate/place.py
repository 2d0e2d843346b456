"""Where a checkpoint is opened, and in which number type."""

from __future__ import annotations

from prepcore.arguments import UsageError


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
