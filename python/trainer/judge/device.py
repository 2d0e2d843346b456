"""Number type and device where ``auto`` leaves them open."""

from __future__ import annotations

import torch


def chosen(dtype: str, device: str) -> tuple[str, str]:
    """Return number type and device; ``auto`` is bf16 on a CUDA device, and fp32 elsewhere."""
    if device == "auto":
        if torch.cuda.is_available():
            device = "cuda"
        else:
            device = "mps" if torch.backends.mps.is_available() else "cpu"
    if dtype == "auto":
        dtype = "bf16" if device == "cuda" else "fp32"
    return dtype, device
