"""The evaluations of a run while it trains: after a checkpoint, in a process of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning

from trainer.callbacks.throughput import Throughput
from trainer.config import EvaluationConfig
from trainer.display import Display
from trainer.launch import child_environment
from trainer.processes import Processes
from trainer.run_folder import folder_of_step

LOOK = 1.0
"""Seconds between two looks at the clock and for a signal."""


class Evaluations(lightning.Callback):
    """Runs a command on a checkpoint every few steps and waits for it.

    Whatever becomes of the command, the run goes on: it is another process, which has a copy of the model of
    its own, is the first that Linux ends where memory runs out, and ends with this one. Of several processes
    of a run the first runs the command, and all wait.

    Parameters
    ----------
    command
        Makes the command from the checkpoint and the file that its results go to.
    checkpoints, results
        The folders of both.
    every
        Steps between evaluations.
    seconds
        A command that takes longer is ended.
    throughput
        The clock, which an evaluation stops.
    stopping
        Whether the run was told to stop; the command is ended then.
    display
        The screen.
    first_step
        Step the run begins or continues at: results of later steps, which will come again, are removed.
    processes
        Those of the run.
    """

    def __init__(
        self,
        command: Callable[[Path, Path], Sequence[str]],
        checkpoints: Path,
        results: Path,
        *,
        every: int,
        seconds: float,
        throughput: Throughput,
        stopping: Callable[[], bool],
        display: Display,
        first_step: int,
        processes: Processes,
    ) -> None:
        self.command = command
        self.checkpoints = checkpoints
        self.results = results
        self.every = every
        self.seconds = seconds
        self.throughput = throughput
        self.stopping = stopping
        self.display = display
        self.processes = processes
        if processes.first:
            for path in results.glob("step-*"):
                step = path.name.removeprefix("step-").partition(".")[0]
                if step.isdecimal() and int(step) > first_step:
                    path.unlink()

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: Any, outputs: Any, batch: Any, index: int
    ) -> None:
        """Evaluate when it is time."""
        step = trainer.global_step
        if step % self.every == 0 or step == self.throughput.total_steps:
            self.throughput.pause()
            self.processes.by_first(lambda: self.evaluate(folder_of_step(self.checkpoints, step)))

    def evaluate(self, checkpoint: Path) -> None:
        """Evaluate a checkpoint, unless the run is to stop; say how it ended."""
        if self.stopping():
            return
        file = self.results / f"{checkpoint.name}.json"
        try:
            self.results.mkdir(exist_ok=True)
            code, answer, said = self._run(self.command(checkpoint, file))
        except OSError as error:  # a full disk, no memory for another process
            self.display.line(f"{checkpoint.name} cannot be evaluated, and the run goes on: {error}")
            return
        if code == 0:
            self.display.line(answer.rstrip())
            return
        log = file.with_suffix(".log")
        with suppress(OSError):
            log.write_text(answer + said, encoding="utf-8")
        ended = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        last = said.strip().splitlines()[-1:]
        self.display.line(
            f"the evaluation of {checkpoint.name} {ended}, and the run goes on; {log} has all it said"
            + "".join(f"\n  | {line}" for line in last)
        )

    def _run(self, command: Sequence[str]) -> tuple[int, str, str]:
        """Run a command to its end; return its exit code or minus its signal, its answer, what it said."""
        listens, held = os.pipe()  # closed when this process ends, however it does
        try:
            process = subprocess.Popen(
                command,
                env=child_environment(),
                stdin=listens,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                text=True,
                errors="replace",
            )
            try:
                with suppress(OSError):  # Linux alone has it: whom to end first where memory runs out
                    Path(f"/proc/{process.pid}/oom_score_adj").write_text("1000", encoding="ascii")
                return self._wait(process)
            finally:
                process.kill()
                process.wait()
        finally:
            os.close(listens)
            os.close(held)

    def _wait(self, process: subprocess.Popen[str]) -> tuple[int, str, str]:
        """Wait for a command; end it when its time is over or the run is to stop."""
        until = time.monotonic() + self.seconds
        late = ""
        while True:
            try:
                answer, said = process.communicate(timeout=LOOK)
            except subprocess.TimeoutExpired:
                if self.stopping():
                    process.kill()
                elif time.monotonic() > until:
                    late = f"\nit took longer than {self.seconds / 60:g} minutes (evaluation.minutes)"
                    process.kill()
            else:
                return process.returncode, answer, said + late


def evaluate_command(settings: EvaluationConfig, device: str) -> Callable[[Path, Path], Sequence[str]]:
    """Return what :class:`Evaluations` runs: ``python -m trainer evaluate`` with options."""
    words = ["--device", device]
    for name, value in settings.given().items():
        words += [f"--{name}", ",".join(value) if isinstance(value, list) else str(value)]
    return lambda checkpoint, file: [
        *(sys.executable, "-m", "trainer", "evaluate", str(checkpoint), "--out", str(file)),
        *words,
    ]
