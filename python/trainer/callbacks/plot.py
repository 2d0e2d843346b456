"""The loss as a picture that grows with the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as lightning

from trainer.callbacks.lines import read
from trainer.display import Say


class Plot(lightning.Callback):
    """Draws ``loss.png`` and ``loss.svg`` from the log at each validation and at the end.

    Parameters
    ----------
    metrics
        The log.
    folder
        Where the pictures go.
    say
        Is told of the first failure: a picture that cannot be drawn costs the picture and never the run.
    """

    def __init__(self, metrics: Path, folder: Path, say: Say) -> None:
        self.metrics = metrics
        self.folder = folder
        self.say = say
        self._failed = False

    def on_validation_end(self, trainer: lightning.Trainer, module: Any) -> None:
        """Draw what there is."""
        self.draw()

    def on_train_end(self, trainer: lightning.Trainer, module: Any) -> None:
        """Draw the end."""
        self.draw()

    def draw(self) -> None:
        """Draw the pictures."""
        try:
            draw(self.metrics, self.folder)
        except Exception as error:  # a full disk, or what other people's code raises
            if not self._failed:
                self._failed = True
                self.say(f"loss.png and loss.svg cannot be drawn, and the run goes on: {error}")


def draw(metrics: Path, folder: Path) -> None:
    """Draw the losses of a log over the steps, with the tokens seen along the top.

    Nothing is drawn before there are two points to join.
    """
    from matplotlib.figure import Figure

    lines = read(metrics)
    training = [(int(line["step"]), float(line["loss"])) for line in lines if line["loss"]]
    validation = [
        (int(line["step"]), float(line["validation_loss"])) for line in lines if line["validation_loss"]
    ]
    if max(len(training), len(validation)) < 2:
        return
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    if training:
        axes.plot(*zip(*training, strict=True), label="training", color="#9bb7d4", linewidth=1.2)
    if validation:
        axes.plot(
            *zip(*validation, strict=True), label="validation", color="#b03a2e", marker="o", markersize=3.5
        )
        step, loss = validation[-1]
        axes.annotate(f"{loss:.3f}", (step, loss), xytext=(0, 8), textcoords="offset points", ha="right")
    axes.set(xlabel="optimizer step", ylabel="loss (nats per token)")
    axes.grid(alpha=0.25)
    axes.legend(frameon=False)
    top = axes.secondary_xaxis(
        "top", functions=_scales({int(line["step"]): int(line["tokens"]) for line in lines})
    )
    top.set_xlabel("million tokens")
    for suffix in ("png", "svg"):
        partial = folder / f".loss.{suffix}"
        figure.savefig(partial, dpi=120)
        partial.replace(folder / f"loss.{suffix}")


def _scales(tokens: dict[int, int]) -> tuple[Any, Any]:
    """Return what turns steps into millions of tokens, and back, where steps may grow on the way.

    Between the lines of the log, and beyond them at the rate of the nearest two, it is a straight line.
    """
    known = sorted({0: 0, **tokens}.items())
    steps, seen = (np.array(values, dtype=float) for values in zip(*known, strict=True))
    seen /= 1e6
    beyond = steps[-1] - steps[0]
    first, last = (seen[1] - seen[0]) / (steps[1] - steps[0]), (seen[-1] - seen[-2]) / (steps[-1] - steps[-2])
    steps = np.concatenate([[steps[0] - beyond], steps, [steps[-1] + beyond]])
    seen = np.concatenate([[seen[0] - first * beyond], seen, [seen[-1] + last * beyond]])
    return (lambda value: np.interp(value, steps, seen)), (lambda value: np.interp(value, seen, steps))
