"""When to save, and what stays."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning

from trainer.callbacks.faults import Faults
from trainer.callbacks.lines import read
from trainer.callbacks.throughput import Throughput
from trainer.config import CheckpointConfig
from trainer.run_folder import BEST, all_checkpoints, folder_of_step, point, step_of


class SaveCheckpoints(lightning.Callback):
    """Saves every few steps, at the end, and when the run is told to stop.

    Lightning validates after this hook, so a checkpoint is on the disk before its evaluation begins; which
    are the best is known after, and those that nobody wants are deleted then. A stop in the middle of a step
    saves the weights the step began with: what it had accumulated is done again.

    Parameters
    ----------
    folder
        Where the checkpoints go.
    metrics
        The log of the run, which has the validation losses.
    throughput
        The clock, which saving stops.
    faults
        Is asked before each checkpoint whether all was well.
    every
        Steps between checkpoints.
    config
        Which of them stay.
    first_step
        Step the run begins or continues at: this state is saved already, or can be had again.
    first
        Whether this process is the one of several that writes; all of them bring together what is written.
    """

    def __init__(
        self,
        folder: Path,
        metrics: Path,
        throughput: Throughput,
        faults: Faults,
        *,
        every: int,
        config: CheckpointConfig,
        first_step: int,
        first: bool = True,
    ) -> None:
        self.folder = folder
        self.metrics = metrics
        self.throughput = throughput
        self.faults = faults
        self.every = every
        self.config = config
        self.saved_step = first_step
        self.first = first

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: Any, outputs: Any, batch: Any, index: int
    ) -> None:
        """Save when it is time."""
        if trainer.global_step % self.every == 0 or trainer.global_step == self.throughput.total_steps:
            self.faults.check(trainer, module)
            self.save(trainer)

    def on_validation_end(self, trainer: lightning.Trainer, module: Any) -> None:
        """Delete what the validation has shown to be no longer wanted."""
        self.prune(trainer)

    def on_exception(self, trainer: lightning.Trainer, module: Any, exception: BaseException) -> None:
        """Save when the run was told to stop; after a failure the weights are not to be trusted."""
        if self.faults.check_stop(trainer, module, exception):
            self.save(trainer)

    def save(self, trainer: lightning.Trainer) -> None:
        """Save the present step, once."""
        step = trainer.global_step
        if step == self.saved_step:
            return
        self.throughput.pause()
        checkpoint = folder_of_step(self.folder, step)
        trainer.save_checkpoint(checkpoint, weights_only=False)
        if self.first:
            point(checkpoint)
        self.saved_step = step
        self.prune(trainer)

    def prune(self, trainer: lightning.Trainer) -> None:
        """Delete all checkpoints but those that are to stay, and point ``best`` to the best."""
        if not self.first:
            return
        there = {step_of(folder): folder for folder in all_checkpoints(self.folder)}
        losses = {
            int(line["step"]): float(line["validation_loss"])
            for line in read(self.metrics)
            if line["validation_loss"]
        }
        best, stay = staying(there, losses, self.config)
        if best is not None:
            point(there[best], BEST)
        for step, folder in there.items():
            if step not in stay:
                trainer.strategy.remove_checkpoint(folder)


def staying(
    steps: Iterable[int], losses: dict[int, float], config: CheckpointConfig
) -> tuple[int | None, set[int]]:
    """Choose the checkpoints that stay: the newest, the best, and those for good.

    Parameters
    ----------
    steps
        Of the checkpoints there are.
    losses
        Validation losses by step; where there are several of a step, the last.
    config
        How many to keep.

    Returns
    -------
    tuple
        The best step, or None where none was validated; and the steps that stay.
    """
    ordered = sorted(steps)
    # A loss that is no number is worse than any; of equals the later is better.
    ranked = sorted(
        (step for step in ordered if losses.get(step, float("nan")) == losses.get(step)),
        key=lambda step: (losses[step], -step),
    )[: config.best]
    stay = {*ordered[-config.keep :], *ranked}
    if config.keep_every is not None:
        stay.update(step for step in ordered if step % config.keep_every == 0)
    return (ranked[0] if ranked else None), stay
