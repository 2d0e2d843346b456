"""Tokens a second, and the time that is left."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytorch_lightning as lightning


class Throughput(lightning.Callback):
    """Measures training alone: validation, samples and checkpoints stop the clock.

    Reading the clock does not wait for a GPU, so a figure is right where the caller has just waited for a
    value of the step, as the log does.

    Parameters
    ----------
    tokens_before
        Tokens of all steps before one.
    total_steps
        Steps of the whole run.
    first_step
        Step the run begins or continues at.
    """

    def __init__(self, tokens_before: Callable[[int], int], total_steps: int, first_step: int = 0) -> None:
        self.tokens_before = tokens_before
        self.total_steps = total_steps
        self.first_step = first_step
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
        tokens, seconds = self._tokens(self.steps) - self._tokens(self._mark[0]), now - self._mark[1]
        self._mark = (self.steps, now)
        return tokens / seconds if tokens and seconds > 0 else None

    def seconds_left(self, step: int) -> float | None:
        """Return how long the steps after ``step`` will take at the mean speed so far."""
        steps, elapsed = self._mark
        if not steps:
            return None
        left = self.tokens_before(self.total_steps) - self.tokens_before(step)
        return left * elapsed / (self._tokens(steps) - self._tokens(0))

    def _tokens(self, steps: int) -> int:
        return self.tokens_before(self.first_step + steps)
