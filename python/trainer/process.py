"""Preparing the process of a command: how threads wait, and what libraries print."""

from __future__ import annotations

import logging
import os
import warnings

LIGHTNING_LOGGERS = ("pytorch_lightning", "lightning_fabric", "lightning_utilities")

# What Lightning says in every run of this program and nobody can act on.
POINTLESS_WARNINGS = (
    r".*does not have many workers.*",  # rows come from memory maps: a worker would only copy them
    r".*LeafSpec.*",
    r".*GPU available but not used.*",
)


def prepare_threads() -> None:
    """Let idle OpenMP threads sleep; to be called before torch is imported.

    By default they spin. On two cores shared with a compiler, a training step of the demo took 2,017 ms of
    CPU time with spinning threads and 138 ms with sleeping ones. A policy already set wins.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


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
