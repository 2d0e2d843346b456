"""One of several processes that run the trainer's commands one after the other, for `test_processes`.

Starting a process costs more than the training here, so each runs many; every command meets anew. Called with
a file of commands (JSON: lists of words) and a folder for what each says.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from trainer.callbacks import plot
from trainer.cli import main
from trainer.model import LlamaModule
from trainer.processes import RENDEZVOUS

RANK = int(os.environ["RANK"])

# What happens in the second of the processes alone, in the second micro-batch of step 5 (counted from 1).
MISHAPS = ("poisoned", "stopped")


def with_mishap(mishap: str) -> None:
    real = LlamaModule.loss_sum
    calls = 0

    def loss_sum(module: LlamaModule, batch: dict[str, Any]) -> Any:
        nonlocal calls
        loss, targets = real(module, batch)
        calls += module.training
        if module.training and module.trainer.global_step == 4 and RANK == 1:
            if mishap == "poisoned":
                return loss * float("nan"), targets
            os.kill(os.getpid(), signal.SIGTERM)
        return loss, targets

    LlamaModule.loss_sum = loss_sum  # type: ignore[method-assign]


def run(commands: list[list[str]], folder: Path) -> None:
    plot.draw = lambda metrics, folder: None  # type: ignore[assignment]
    meeting, real, codes = os.environ[RENDEZVOUS], LlamaModule.loss_sum, []
    for number, words in enumerate(commands):
        os.environ[RENDEZVOUS] = f"{meeting}-{number}"
        if words[0] in MISHAPS:
            with_mishap(words.pop(0))
        with (folder / f"{number}-{RANK}.txt").open("w") as said, contextlib.redirect_stderr(said):
            codes.append(main(words))
        LlamaModule.loss_sum = real  # type: ignore[method-assign]
    (folder / f"codes-{RANK}.json").write_text(json.dumps(codes))


if __name__ == "__main__":
    run(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
