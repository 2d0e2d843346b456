"""What `auto` stands for where numbers alone decide it, without torch: a run and its plan decide alike."""

from __future__ import annotations

import importlib.util
import os
import shutil

from trainer.config import Loss

CHUNK_ROWS = 256
"""Positions of a chunk of the loss on a CPU: of 64 to 512 the fastest with 32,000 tokens, and near it with
8,192."""

CHUNK_LOGITS = 2**26
"""Logits of a chunk on a GPU, 256 MiB in fp32: enough that it computes for longer than it takes to start."""

WHOLE_LOGITS = 2**28
"""Logits up to which `auto` has all at once on a GPU: 1 GiB in fp32, and as much again for their gradient."""

COMPILED_FROM = 1e14
"""Floating-point operations of a run on a CPU from which `auto` compiles.

A quarter of an hour on one core. Compiling takes about half a minute there and makes steps a tenth faster, so
a run of five minutes would only just earn it back.
"""


def chunk_rows(device: str, vocabulary: int) -> int:
    """Return the positions of a chunk of the loss.

    Parameters
    ----------
    device
        Type of the device.
    vocabulary
        Rows of the output matrix.
    """
    return CHUNK_ROWS if device == "cpu" else max(CHUNK_ROWS, CHUNK_LOGITS // vocabulary)


def choose_loss(name: Loss, *, positions: int, vocabulary: int, device: str, compiled: bool) -> Loss:
    """Return the way that an option stands for, ``chunked`` or ``whole``.

    On a CPU chunks are the faster way, too, at any size that was measured (`docs/training-speed.md`).

    Parameters
    ----------
    name
        ``auto``, or a way that is returned as it is.
    positions
        Rows of a micro-batch times their length.
    vocabulary
        Rows of the output matrix.
    device
        Type of the device.
    compiled
        Whether the whole way would be compiled; else it holds several copies of the logits.
    """
    if name != "auto":
        return name
    small = positions * vocabulary <= WHOLE_LOGITS
    return "whole" if device == "cuda" and compiled and small else "chunked"


def worth_compiling(device: str, parameters: int, tokens: int) -> bool:
    """Say whether a run is long enough that `auto` compiles, where a compiler is there."""
    return device == "cuda" or 6 * parameters * tokens >= COMPILED_FROM


def compile_obstacle(device: str, *, spread: bool = False) -> str | None:
    """Say why layers cannot be compiled for a type of device; None where they can.

    Parameters
    ----------
    device
        Type of the device.
    spread
        Whether each of several devices has a part of the weights.
    """
    if spread:
        # It may work; nobody has seen it yet.
        return "compiling layers whose weights are spread (trainer.strategy fsdp) was not tested"
    if device == "cuda":
        return None if importlib.util.find_spec("triton") else "the package triton is not installed"
    if device == "mps":
        return "layers are compiled for CPUs and CUDA alone"
    compiler = os.environ.get("CXX") or "g++"
    found = any(shutil.which(name) for name in (compiler, "clang++", "c++"))
    return None if found else f"there is no C++ compiler ({compiler})"
