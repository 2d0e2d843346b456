"""Preparing the process of a command: how threads wait, and what libraries print."""

from __future__ import annotations

import ctypes
import logging
import os
import warnings

from prepcore.allocator import M_MMAP_THRESHOLD, M_TRIM_THRESHOLD

LIGHTNING_LOGGERS = ("pytorch_lightning", "lightning_fabric", "lightning_utilities")

# What Lightning says in every run of this program and nobody can act on.
POINTLESS_WARNINGS = (
    r".*does not have many workers.*",  # rows come from memory maps: a worker would only copy them
    r".*LeafSpec.*",
    r".*GPU available but not used.*",
    r".*sync_dist=True.*",  # the module sums over the processes itself
    r".*`broadcast_buffers` is deprecated.*",  # its successor is not in every version of torch
    r".*You have overridden `on_before_batch_transfer`.*",  # the data module does not
)


SPIN_COUNT = "10000"
"""Turns of its loop, some microseconds, that an idle thread of GNU OpenMP waits before it sleeps."""


def prepare_threads() -> None:
    """Let idle OpenMP threads wait a moment and then sleep; to be called before torch is imported.

    By default they spin for long: on cores shared with a compiler one step of the demo took 2,017 ms of CPU
    time. Threads that sleep at once cost a third of the speed on idle cores (10,000 tokens/s, where a moment
    of waiting keeps 14,700). A policy or a count that is already set wins.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)


def keep_freed_memory() -> None:
    """Have glibc keep what a step frees, since the next one needs it again; elsewhere nothing happens.

    By default it gives large tensors back to the system when they are freed, and every page of the next one
    costs a page fault: 50,000 of them in a loss over 32,000 tokens, a twentieth of its time. Which tensors is
    a matter of chance, so it differs from run to run. It holds for the whole process, so the command line
    calls it and an import does not.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    mallopt(M_MMAP_THRESHOLD, 2**30)


def quiet_transformers() -> None:
    """Keep transformers to its errors, without bars for loading a file."""
    # Silences a warning about forks, of which there are none.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


def quiet_lightning() -> None:
    """Keep Lightning to its errors and to the warnings that concern a run."""
    # Importing Lightning sets the levels of its loggers, so it comes first.
    import pytorch_lightning  # noqa: F401

    for name in LIGHTNING_LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    for message in POINTLESS_WARNINGS:
        warnings.filterwarnings("ignore", message=message)
