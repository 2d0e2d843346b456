"""What a run says on standard error: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

Record = Mapping[str, float | int | None]
Say = Callable[[str], None]


class Display:
    """Shows the progress of a run.

    Parameters
    ----------
    total_steps
        Steps of the whole run.
    silent
        Whether nothing is shown: of several processes one speaks.
    """

    def __init__(self, total_steps: int, *, silent: bool = False) -> None:
        self.total_steps = total_steps
        # Model output may look like rich's markup, and is printed as it is.
        self.console = Console(stderr=True, markup=False, highlight=False, soft_wrap=True, quiet=silent)
        self.progress = (
            Progress(
                TextColumn("step {task.completed}/{task.total}"),
                BarColumn(),
                TextColumn("{task.description}"),
                console=self.console,
                transient=True,
            )
            if sys.stderr.isatty() and not silent
            else None
        )

    def __enter__(self) -> Self:
        if self.progress is not None:
            self.task = self.progress.add_task("", total=self.total_steps)
            self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.progress is not None:
            self.progress.stop()

    def line(self, text: str) -> None:
        """Print a line that stays."""
        self.console.print(text)

    def step(self, record: Record, seconds_left: float | None) -> None:
        """Show where the training is."""
        text = (
            f"loss {record['loss']:.4f}  learning rate {record['learning_rate']:.2e}  "
            f"{record['tokens_per_second'] or 0:,.0f} tokens/s"
        )
        if record.get("mfu") is not None:
            text += f"  MFU {record['mfu']:.1%}"
        elif record.get("tflops") is not None:
            text += f"  {record['tflops']:.3g} TFLOP/s"
        if seconds_left is not None:
            text += f"  {timedelta(seconds=round(seconds_left))} left"
        if self.progress is not None:
            self.progress.update(self.task, completed=int(record["step"] or 0), description=text)
        else:
            self.line(f"step {record['step']}/{self.total_steps}  {text}")
