"""What a run has seen of each source of a mixture, and how well it predicts each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning

from trainer.callbacks.lines import Line, append, cut_after
from trainer.display import Display
from trainer.mixture import Mixture

COLUMNS = ("step", "source", "rows", "tokens", "epochs", "validation_loss")


class Sources(lightning.Callback):
    """Writes ``sources.csv``, a line a source, at each validation and at the end; tells the display.

    Parameters
    ----------
    path
        The CSV file. Lines after ``first_step``, of steps that were lost with a kill, are cut off.
    mixture
        The data.
    counts
        Rows of each source that were taken before a step.
    display
        The screen.
    first_step
        Step the run begins or continues at.
    """

    def __init__(
        self,
        path: Path,
        mixture: Mixture,
        counts: Callable[[int], Sequence[int]],
        display: Display,
        *,
        first_step: int,
    ) -> None:
        self.path = path
        self.mixture = mixture
        self.counts = counts
        self.display = display
        cut_after(path, COLUMNS, first_step)

    def on_validation_end(self, trainer: lightning.Trainer, module: Any) -> None:
        """Write what the validation found of each source."""
        names = self.mixture.validation.names if self.mixture.validation else ()
        self._write(trainer.global_step, dict(zip(names, module.validation_losses, strict=True)))

    def on_train_end(self, trainer: lightning.Trainer, module: Any) -> None:
        """Write what was seen where no validation has written it."""
        if self.mixture.validation is None:
            self._write(trainer.global_step, {})

    def _write(self, step: int, losses: dict[str, float]) -> None:
        length = self.mixture.recipe.sequence_length
        for source, rows in zip(self.mixture.recipe.sources, self.counts(step), strict=True):
            epochs, loss = rows / source.available_rows, losses.get(source.name)
            line: Line = {
                "step": step,
                "source": source.name,
                "rows": rows,
                "tokens": rows * length,
                "epochs": epochs,
                "validation_loss": loss,
            }
            append(self.path, COLUMNS, line)
            text = f"  {source.name}: {rows:,} rows, {rows * length:,} tokens, {epochs:.2f} epochs"
            self.display.line(text if loss is None else f"{text}; validation loss {loss:.4f} nats/token")
