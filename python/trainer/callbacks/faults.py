"""Stopping a run whose loss or gradient was not finite, with the rows of that batch named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytorch_lightning as lightning

from trainer.display import Display
from trainer.errors import TrainingError
from trainer.signals import STOPPED

CHECK_EVERY = 10
"""Steps between two looks at the device, each of which waits for it."""


class Faults(lightning.Callback):
    """Reads the module's guard every few steps, and before each checkpoint.

    The step itself was left out on the device, so the weights are good all the while; but no checkpoint is
    written after it, so that the last one is from before the fault.

    Parameters
    ----------
    display
        Is told of steps left out as spikes.
    describe_rows
        Says which rows a step was made of, for the message.
    total_steps
        Steps of the whole run.
    """

    def __init__(self, display: Display, describe_rows: Callable[[int], str], total_steps: int) -> None:
        self.display = display
        self.describe_rows = describe_rows
        self.total_steps = total_steps
        self._spikes = 0

    def on_train_start(self, trainer: lightning.Trainer, module: Any) -> None:
        """Know the spikes of the run so far."""
        self._spikes = int(module.guard.spikes)

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: Any, outputs: Any, batch: Any, index: int
    ) -> None:
        """Look when it is time."""
        if trainer.global_step % CHECK_EVERY == 0 or trainer.global_step == self.total_steps:
            self.check(trainer, module)

    def check(self, trainer: lightning.Trainer, module: Any) -> None:
        """Raise `TrainingError` when a step so far was not finite."""
        bad, spikes = (int(number) for number in (module.guard.first_bad, module.guard.spikes))
        if spikes > self._spikes:
            self.display.line(
                f"left out {spikes - self._spikes} steps with a spike up to step {trainer.global_step}"
            )
            self._spikes = spikes
        if bad < 0:
            return
        raise TrainingError(
            f"the loss or the gradient of step {bad + 1} was not finite, wanted numbers; the step was left "
            f"out and the last checkpoint is from before it. Its batch: {self.describe_rows(bad)}",
            "look at these rows; if they are sound, try a lower --optimizer.learning-rate with --resume",
        )

    def check_stop(self, trainer: lightning.Trainer, module: Any, exception: BaseException) -> bool:
        """Say whether a run that ends with an exception may be saved."""
        return isinstance(exception, STOPPED) and int(module.guard.first_bad) < 0
