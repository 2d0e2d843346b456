"""Which arithmetic is fast on this machine."""

from __future__ import annotations

from pathlib import Path


def resolve_precision(precision: str, accelerator: str) -> str:
    """Turn ``auto`` into a precision of Lightning's.

    bf16 is the main gain on a GPU and on a CPU with AMX tiles. On a CPU without them it runs at about half
    the speed of fp32, though the CPU may advertise other bf16 instructions (measured with avx512_bf16).

    Parameters
    ----------
    precision
        ``auto``, or a precision that is returned as it is.
    accelerator
        ``auto``, ``cpu``, ``gpu`` or ``mps``.
    """
    if precision != "auto":
        return precision
    import torch

    if accelerator in ("auto", "gpu") and torch.cuda.is_available():
        return "bf16-mixed"
    return "bf16-mixed" if accelerator in ("auto", "cpu") and has_amx() else "32-true"


def has_amx() -> bool:
    """Say whether the CPU multiplies bf16 matrices in AMX tiles (Linux on x86-64; elsewhere no)."""
    try:
        return "amx_bf16" in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
