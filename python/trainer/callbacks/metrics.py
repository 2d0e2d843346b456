"""The log of a run: one plain CSV, a line an event, and whatever else is to hear of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
import torch

from trainer.callbacks.lines import append, cut_after, read
from trainer.callbacks.throughput import Throughput
from trainer.display import Display, Record
from trainer.flops import Arithmetic
from trainer.loggers import Logger

COLUMNS = (
    "step",
    "tokens",
    "loss",
    "learning_rate",
    "gradient_norm",
    "tokens_per_second",
    "tflops",
    "mfu",
    "validation_loss",
    "perplexity",
    "bits_per_byte",
)


class Metrics(lightning.Callback):
    """Writes ``metrics.csv`` and tells the display and the loggers.

    The losses of the steps between two lines are summed on the device; their mean is what a line holds, and
    the only time the run waits for a value. Losses are in nats a token.

    Parameters
    ----------
    path
        The CSV file. Lines after ``first_step``, of steps that were lost with a kill, are cut off.
    throughput
        The clock.
    display
        The screen.
    every
        Steps between two lines.
    first_step
        Step the run begins or continues at.
    tokens_before
        Tokens of all steps before one.
    tokens_per_byte
        Validation tokens a byte of their text; None without validation data.
    arithmetic
        What a token costs and what the devices could do.
    loggers
        Who else hears of each line.
    """

    def __init__(
        self,
        path: Path,
        throughput: Throughput,
        display: Display,
        *,
        every: int,
        first_step: int,
        tokens_before: Callable[[int], int],
        tokens_per_byte: float | None,
        arithmetic: Arithmetic,
        loggers: Sequence[Logger] = (),
    ) -> None:
        self.path = path
        self.throughput = throughput
        self.display = display
        self.every = every
        self.tokens_before = tokens_before
        self.tokens_per_byte = tokens_per_byte
        self.arithmetic = arithmetic
        self.loggers = tuple(loggers)
        self._losses: list[torch.Tensor] = []
        cut_after(path, COLUMNS, first_step)

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: Any, outputs: Any, batch: Any, index: int
    ) -> None:
        """Keep the loss of the step; write a line when it is time."""
        self._losses.append(module.step_loss)
        step = trainer.global_step
        if step % self.every and step != self.throughput.total_steps:
            return
        loss, norm = torch.stack([torch.stack(self._losses).mean(), module.gradient_norm]).tolist()
        self._losses = []
        speed = self.throughput.lap()
        record = {
            "step": step,
            "tokens": self.tokens_before(step),
            "loss": loss,
            "learning_rate": module.learning_rate(step - 1),
            "gradient_norm": norm,
            "tokens_per_second": speed,
            "tflops": None if speed is None else self.arithmetic.teraflops(speed),
            "mfu": None if speed is None else self.arithmetic.utilisation(speed),
        }
        self._write(record)
        self.display.step(record, self.throughput.seconds_left(step))

    def on_validation_end(self, trainer: lightning.Trainer, module: Any) -> None:
        """Write what the validation found."""
        step, loss = trainer.global_step, module.validation_loss
        record: dict[str, float | int | None] = {
            "step": step,
            "tokens": self.tokens_before(step),
            "validation_loss": loss,
            "perplexity": math.exp(min(loss, 700.0)),  # beyond this exp overflows
            "bits_per_byte": bits_per_byte(loss, self.tokens_per_byte),
        }
        self._write(record)
        self.display.line(describe_validation(record))

    def _write(self, record: Record) -> None:
        append(self.path, COLUMNS, record)
        for logger in self.loggers:
            logger.log(record)


def bits_per_byte(loss: float, tokens_per_byte: float | None) -> float | None:
    """Turn nats a token into bits a byte of text, which compares models with different tokenizers."""
    return None if tokens_per_byte is None else loss / math.log(2) * tokens_per_byte


def describe_validation(record: Record) -> str:
    """Say what a validation found in one line."""
    text = f"step {record['step']}: validation loss {record['validation_loss']:.4f} nats/token, "
    text += f"perplexity {record['perplexity']:,.2f}"
    bits = record.get("bits_per_byte")
    return text if bits is None else f"{text}, {bits:.4f} bits/byte"


def validated(path: Path, step: int) -> bool:
    """Say whether a log has a validation of a step."""
    return any(int(line["step"]) == step and line["validation_loss"] for line in read(path))
