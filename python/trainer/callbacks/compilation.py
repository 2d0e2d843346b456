"""Compiling before the first step, so that no step's time holds that of the compiler."""

from __future__ import annotations

import time
from typing import Any

import pytorch_lightning as lightning

from trainer.display import Display


class Compilation(lightning.Callback):
    """Has the layers compiled on the first micro-batch, and says how long it took.

    It stands before the clock of :class:`~trainer.callbacks.throughput.Throughput` in the list of callbacks.

    Parameters
    ----------
    display
        The screen.

    Attributes
    ----------
    seconds
        What compiling took, a forward and a backward pass with it; None before.
    """

    def __init__(self, display: Display) -> None:
        self.display = display
        self.seconds: float | None = None

    def on_train_batch_start(self, trainer: lightning.Trainer, module: Any, batch: Any, index: int) -> None:
        """Compile, once."""
        if self.seconds is not None:
            return
        started = time.perf_counter()
        with trainer.precision_plugin.train_step_context():
            module.rehearse(batch)
        self.seconds = time.perf_counter() - started
        self.display.line(f"compiled the layers in {self.seconds:.1f} s")
