"""When to save."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytorch_lightning as lightning

from trainer.callbacks.throughput import Throughput
from trainer.run_folder import all_checkpoints, folder_of_step, point_last
from trainer.signals import STOPPED


class SaveCheckpoints(lightning.Callback):
    """Saves every few steps, at the end, and when the run is told to stop.

    Lightning validates after this hook, so a checkpoint is on the disk before its evaluation begins. A stop
    in the middle of a step saves the weights the step began with: what it had accumulated is done again.

    Parameters
    ----------
    folder
        Where the checkpoints go.
    throughput
        The clock, which saving stops.
    every
        Steps between checkpoints.
    keep
        How many of the newest stay.
    first_step
        Step the run begins or continues at: this state is saved already, or can be had again.
    """

    def __init__(
        self, folder: Path, throughput: Throughput, *, every: int, keep: int, first_step: int
    ) -> None:
        self.folder = folder
        self.throughput = throughput
        self.every = every
        self.keep = keep
        self.saved_step = first_step

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: Any, outputs: Any, batch: Any, index: int
    ) -> None:
        """Save when it is time."""
        if trainer.global_step % self.every == 0 or trainer.global_step == self.throughput.total_steps:
            self.save(trainer)

    def on_exception(self, trainer: lightning.Trainer, module: Any, exception: BaseException) -> None:
        """Save when the run was told to stop; after a failure the weights are not to be trusted."""
        if isinstance(exception, STOPPED):
            self.save(trainer)

    def save(self, trainer: lightning.Trainer) -> None:
        """Save the present step, once."""
        step = trainer.global_step
        if step == self.saved_step:
            return
        self.throughput.pause()
        checkpoint = folder_of_step(self.folder, step)
        trainer.save_checkpoint(checkpoint, weights_only=False)
        point_last(checkpoint)
        self.saved_step = step
        for old in all_checkpoints(self.folder)[: -self.keep]:
            trainer.strategy.remove_checkpoint(old)
