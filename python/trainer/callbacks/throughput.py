"""Tokens a second, and the time that is left."""

from __future__ import annotations

import time
from typing import Any

import pytorch_lightning as lightning


class Throughput(lightning.Callback):
    """Measures training alone: validation, samples and checkpoints stop the clock.

    Reading the clock does not wait for a GPU, so a figure is right where the caller has just waited for a
    value of the step, as the log does.

    Parameters
    ----------
    tokens_per_step
        Tokens in an optimizer step.
    total_steps
        Steps of the whole run.
    """

    def __init__(self, tokens_per_step: int, total_steps: int) -> None:
        self.tokens_per_step = tokens_per_step
        self.total_steps = total_steps
        self.steps = 0
        self.seconds = 0.0
        self._since: float | None = None
        self._mark = (0, 0.0)

    def on_train_batch_start(self, trainer: lightning.Trainer, module: Any, batch: Any, index: int) -> None:
        """Start the clock, if it stands."""
        if self._since is None:
            self._since = time.perf_counter()

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: Any, outputs: Any, batch: Any, index: int
    ) -> None:
        """Count the step."""
        self.steps += 1

    def pause(self) -> None:
        """Stop the clock until the next step begins."""
        if self._since is not None:
            self.seconds += time.perf_counter() - self._since
            self._since = None

    def on_validation_start(self, trainer: lightning.Trainer, module: Any) -> None:
        """Stop the clock."""
        self.pause()

    def lap(self) -> float | None:
        """Return the tokens a second since the last lap, or None when nothing was done in it."""
        now = self.seconds + (time.perf_counter() - self._since if self._since is not None else 0.0)
        steps, seconds = self.steps - self._mark[0], now - self._mark[1]
        self._mark = (self.steps, now)
        return steps * self.tokens_per_step / seconds if steps and seconds > 0 else None

    def seconds_left(self, step: int) -> float | None:
        """Return how long the steps after ``step`` will take at the mean speed so far."""
        elapsed = self._mark[1]
        return (self.total_steps - step) * elapsed / self._mark[0] if self._mark[0] else None
