"""What a run computes on: the device's name, and what it does at most."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import torch

from trainer.flops import Arithmetic, LlamaSizes, known_peak


def device_name(accelerator: str) -> str:
    """Return what the device that ``trainer.accelerator`` chooses is called."""
    if accelerator in ("auto", "gpu") and torch.cuda.is_available():
        return torch.cuda.get_device_name()
    if accelerator in ("auto", "gpu", "mps") and torch.backends.mps.is_available():
        return f"{processor_name()}, GPU"
    return processor_name()


def processor_name() -> str:
    """Return what the processor is called, as far as the system says."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def arithmetic_of(
    model: Any,
    length: int,
    *,
    device: str,
    precision: str,
    devices: int = 1,
    peak_tflops: float | None = None,
) -> Arithmetic:
    """Count what a token of a run costs, and look up what its devices could do.

    Parameters
    ----------
    model
        A ``LlamaForCausalLM``; parameters that are frozen are taken into account.
    length
        Tokens in a row.
    device
        The device's name.
    precision
        As Lightning names it.
    devices
        How many there are.
    peak_tflops
        What one device does at most where the user says so, 10¹² operations a second.
    """
    sizes = LlamaSizes.of(model.config)
    embedding = None if sizes.tied else model.get_input_embeddings().weight
    trained = sum(
        parameter.numel()
        for parameter in model.parameters()
        if parameter.requires_grad and parameter is not embedding
    )
    flops = sizes.flops_per_token(length, trained=trained)
    name = device if devices == 1 else f"{devices} x {device}"
    if peak_tflops is not None:
        return Arithmetic(name, flops, peak_tflops * devices, "trainer.peak-tflops")
    peak = known_peak(device, precision)
    if peak is None:
        return Arithmetic(name, flops, None, "not known")
    return Arithmetic(name, flops, peak.teraflops * devices, peak.source)
