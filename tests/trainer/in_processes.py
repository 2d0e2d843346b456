"""One of several processes that run the trainer's commands one after the other, for `test_processes`.

Starting a process costs more than the training here, so each runs many; every command meets anew. Called with
a file of commands (JSON: lists of words) and a folder for what each says. Two commands are not the trainer's:
`half RUN COPY` copies a run as it was when half of it was done, `own TOKENS FILE` trains without `fit`.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
import torch

from tests.trainer.models import tiny_llama
from trainer.callbacks import plot
from trainer.cli import main
from trainer.config import TrainerConfig
from trainer.data import PackedTokens
from trainer.model import LlamaModule
from trainer.processes import RENDEZVOUS, Processes
from trainer.run_folder import RunFolder, all_checkpoints, point

RANK = int(os.environ.get("RANK", "0"))

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


def half(run: Path, copy: Path) -> Path:
    """Copy a run as it was after its first checkpoint, when it was killed later."""
    shutil.copytree(run, copy, symlinks=True)
    checkpoints = RunFolder(copy).checkpoints
    for checkpoint in all_checkpoints(checkpoints)[1:]:
        shutil.rmtree(checkpoint)
    (left,) = all_checkpoints(checkpoints)
    point(left)
    return copy


def own_training(tokens: Path, file: Path, devices: int) -> None:
    """Train with the module and the data module alone, as the guide says."""
    module = LlamaModule(tiny_llama(), learning_rate=lambda step: 0.01)
    trainer = lightning.Trainer(
        accelerator="cpu",
        devices=devices,
        strategy="ddp" if devices > 1 else "auto",
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, PackedTokens(tokens, micro=4, rows_per_step=16, total_steps=4))
    if RANK == 0:
        torch.save([module.step_loss, module.validation_loss, dict(module.model.named_parameters())], file)


def run(commands: list[list[str]], folder: Path) -> None:
    plot.draw = lambda metrics, folder: None  # type: ignore[assignment]
    meeting, real, codes = os.environ[RENDEZVOUS], LlamaModule.loss_sum, []
    for number, words in enumerate(commands):
        os.environ[RENDEZVOUS] = f"{meeting}-{number}"
        if words[0] == "half":
            if RANK == 0:
                half(Path(words[1]), Path(words[2]))
            codes.append(0)
            continue
        if words[0] == "own":
            before = dict(os.environ)
            with Processes.meet(TrainerConfig(), "cpu"):
                own_training(Path(words[1]), Path(words[2]), devices=2)
            os.environ.update(before)  # Lightning forgets how many processes there are
            codes.append(0)
            continue
        if words[0] in MISHAPS:
            with_mishap(words.pop(0))
        with (folder / f"{number}-{RANK}.txt").open("w") as said, contextlib.redirect_stderr(said):
            codes.append(main(words))
        LlamaModule.loss_sum = real  # type: ignore[method-assign]
    (folder / f"codes-{RANK}.json").write_text(json.dumps(codes))


if __name__ == "__main__":
    run(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
