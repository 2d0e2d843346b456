"""Who hears of a run's figures beside ``metrics.csv``: TensorBoard and Weights & Biases.

The CSV is the truth: it is always written, and a run that continues reads it. The others are told each line
of it, once, and if one of them fails in the middle of a run, the run goes on without it.

Nothing here imports torch; each logger imports its package when it is opened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from prepcore.arguments import UsageError
from trainer.display import Record, Say

PACKAGES = {"tensorboard": "tensorboard", "wandb": "wandb"}
"""The package that a logger needs, which is also the name of the extra that brings it."""

GROUPS = {
    "loss": "training/loss",
    "learning_rate": "training/learning_rate",
    "gradient_norm": "training/gradient_norm",
    "tokens_per_second": "speed/tokens_per_second",
    "tflops": "speed/tflops",
    "mfu": "speed/mfu",
    "validation_loss": "validation/loss",
    "perplexity": "validation/perplexity",
    "bits_per_byte": "validation/bits_per_byte",
}
"""What the columns of the log are called where they are grouped by what stands before a slash.

A column that is not listed stands under ``training``.
"""

PLACES = ("step", "tokens")
"""The columns that say where a line stands."""


class Logger(Protocol):
    """Somebody who is told the lines of the log."""

    def log(self, record: Record) -> None:
        """Take a line of the log; what was not measured is None."""

    def text(self, step: int, prompt: str, continuation: str) -> None:
        """Take a prompt and how the model continues it at a step."""

    def close(self) -> None:
        """Write what is left."""


def check_loggers(names: Sequence[str]) -> None:
    """Refuse loggers that cannot work here, before a run begins.

    Raises
    ------
    UsageError
        When the package is missing, or Weights & Biases has no key and is not offline.
    """
    for name in names:
        package = PACKAGES.get(name)
        if package is not None and find_spec(package) is None:
            raise UsageError(
                f"--logger {name} needs the package {package}, which is not installed",
                f"pip install {package}, or in a clone the extra: pip install '.[train,{package}]'",
            )
    if "wandb" in names:
        from trainer.loggers.weights_and_biases import check_key

        check_key()


def open_loggers(
    names: Sequence[str],
    *,
    run: Path,
    metrics: Path,
    configuration: Mapping[str, Any],
    first_step: int,
    say: Say,
) -> list[Logger]:
    """Open the loggers of a run.

    Parameters
    ----------
    names
        Some of :data:`trainer.config.LOGGERS`.
    run
        Folder of the run.
    metrics
        The log as the run before left it, lines of steps that were lost included.
    configuration
        The whole configuration, by dotted keys.
    first_step
        Step the run begins or continues at.
    say
        Is told when a logger fails.
    """
    opened: list[Logger] = []
    if "tensorboard" in names:
        from trainer.loggers.tensorboard import TensorBoard

        opened.append(Forgiven("tensorboard", TensorBoard(run / "tensorboard", first_step), say))
    if "wandb" in names:
        from trainer.loggers.weights_and_biases import WeightsAndBiases

        opened.append(Forgiven("wandb", WeightsAndBiases(run, metrics, configuration, first_step), say))
    return opened


def figures(record: Record) -> dict[str, float | int]:
    """Return what a line measured under the names of :data:`GROUPS`."""
    return {
        GROUPS.get(column, f"training/{column}"): value
        for column, value in record.items()
        if value is not None and column not in PLACES
    }


class Forgiven:
    """A logger whose failures cost its figures and not the run.

    Parameters
    ----------
    name
        What it is called in messages.
    logger
        The logger.
    say
        Is told once, when it first fails; it is left alone from then on.
    """

    def __init__(self, name: str, logger: Logger, say: Say) -> None:
        self.name = name
        self.logger: Logger | None = logger
        self.say = say

    def log(self, record: Record) -> None:
        """Hand a line on."""
        self._hand("log", record)

    def text(self, step: int, prompt: str, continuation: str) -> None:
        """Hand a text on."""
        self._hand("text", step, prompt, continuation)

    def close(self) -> None:
        """Hand the end on."""
        self._hand("close")

    def _hand(self, method: str, *arguments: Any) -> None:
        if self.logger is None:
            return
        try:
            getattr(self.logger, method)(*arguments)
        except Exception as error:  # other people's code, a full disk, a network
            self.logger = None
            self.say(f"--logger {self.name} has failed, and the run goes on without it: {error}")
