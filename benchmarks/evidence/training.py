"""One run: `trainer.fit` with the configuration of a cell, and the losses of its checkpoints."""

from __future__ import annotations

import os
import platform
import shutil
import time
from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from benchmarks.evidence.data import base_folder
from benchmarks.evidence.plan import EXPANDED_TO, LENGTH, ROWS, SEEDS, STEP, WARMUP_STEPS, Cell, Domain
from transformers import LlamaForCausalLM

from trainer import (
    BatchConfig,
    CheckpointConfig,
    DataConfig,
    FitConfig,
    InitConfig,
    ModelConfig,
    OptimizerConfig,
    ScheduleConfig,
    TrainerConfig,
    fit,
    initialize,
)
from trainer.callbacks.lines import read
from trainer.config import ComputeConfig
from trainer.data import Rows
from trainer.flops import LlamaSizes
from trainer.initialize.sample import measuring
from trainer.run_folder import all_checkpoints, step_of
from trainer.tokens import TokenFolder

POINTS = 4
"""Checkpoints of a run, evenly spread, that its curve is drawn through."""

SIZES: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 172,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "vocab_size": 512,
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": True,
}
"""Those of the base, for random weights."""


def source_words(cell: Cell, source: Path | None) -> dict[str, Any]:
    """Return what `initialize` is to be told beside the strategy and the sizes."""
    words: dict[str, Any] = {} if source is None else {"source": str(source)}
    if cell.strategy in ("downscale", "upscale", "stack", "expand"):
        words["layers"] = cell.layers
    return words


def configuration(
    cell: Cell, rate: float, seed: int, *, data: Path, source: Path | None, run: Path
) -> FitConfig:
    """Return the configuration of a run."""
    sizes = {**SIZES, "num_hidden_layers": cell.layers} if cell.strategy == "random" else {}
    return FitConfig(
        data=DataConfig(path=str(data)),
        model=ModelConfig(
            init=InitConfig(strategy=cell.strategy, **source_words(cell, source)),
            **sizes,
        ),
        optimizer=OptimizerConfig(learning_rate=rate),
        schedule=ScheduleConfig(warmup=str(min(WARMUP_STEPS, cell.steps // 4))),
        batch=BatchConfig(micro=ROWS),
        trainer=TrainerConfig(
            max_steps=cell.steps,
            accelerator="cpu",
            precision="32-true",
            log_every_n_steps=max(1, cell.steps // 16),
        ),
        compute=ComputeConfig(attention="sdpa", loss="whole", compile="off"),
        checkpoint=CheckpointConfig(interval=cell.steps // POINTS, keep=POINTS, best=0),
        seed=seed,
        run=str(run),
    )


def losses(model: LlamaForCausalLM, folders: Sequence[Path]) -> list[float]:
    """Return the loss of a model on all rows of some token folders, in nats a token."""
    found = []
    with measuring(model, "cpu") as module:
        for folder in folders:
            rows = Rows(TokenFolder.open(str(folder)).train, length=LENGTH, micro=32, isolate=True)
            sums = [torch.stack(module.loss_sum(rows[index])).double() for index in range(len(rows))]
            loss, targets = torch.stack(sums).sum(dim=0)
            found.append(float(loss / targets))
    return found


def open_checkpoint(folder: Path) -> LlamaForCausalLM:
    """Open a Hugging Face folder in fp32."""
    model: LlamaForCausalLM = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return model


def scored_on(cell: Cell) -> list[Domain]:
    """Return the texts on which a run of a cell is measured, that of the claim first."""
    return [cell.domain, *cell.also]


def train(cell: Cell, rate: float, seed: int, *, data: Path, run: Path, source: Path | None) -> float:
    """Do a run.

    Parameters
    ----------
    cell, rate, seed
        What is run.
    data
        The folder with all folders of `data`.
    run
        Folder of the run; what is there is replaced.
    source
        Folder of the source.

    Returns
    -------
    float
        Seconds of processor time.
    """
    shutil.rmtree(run, ignore_errors=True)
    begun = time.process_time()
    tokens = data / cell.data.format(seed=seed)
    fit(configuration(cell, rate, seed, data=tokens, source=source, run=run))
    return time.process_time() - begun


def choose(cell: Cell, *, data: Path, run: Path) -> dict[str, Any]:
    """Return the loss of a run on the texts that learning rates are chosen on."""
    loss = losses(open_checkpoint(run / "checkpoints" / "last"), [data / f"{cell.domain}-choose"])[0]
    return {"losses": {cell.domain: round(loss, 5)}}


def report(cell: Cell, seed: int, *, data: Path, run: Path, source: Path | None) -> dict[str, Any]:
    """Return the losses of a run on the texts that are reported on, and what its tokens cost.

    ``curve`` has the losses before the first step, for all seeds, and of the checkpoints up to the last one,
    for the first seed; ``training`` the mean losses of the steps.
    """
    domains = scored_on(cell)
    folders = [data / f"{domain}-report" for domain in domains]
    words = source_words(cell, source)
    if source is None:
        words = {**SIZES, "num_hidden_layers": cell.layers, "tokenizer": base_folder()}
    start, _ = initialize(cell.strategy, seed=seed, **words)
    curve = [[0, *losses(start, folders)]]
    checkpoints = all_checkpoints(run / "checkpoints")
    curve += [
        [step_of(checkpoint) * STEP, *losses(open_checkpoint(checkpoint), folders)]
        for checkpoint in (checkpoints if seed == SEEDS[0] else checkpoints[-1:])
    ]
    sizes = LlamaSizes.of(start.config)
    return {
        "losses": {domain: round(loss, 5) for domain, loss in zip(domains, curve[-1][1:], strict=True)},
        "curve": [[tokens, *(round(loss, 4) for loss in found)] for tokens, *found in curve],
        "training": [
            [int(line["tokens"]), round(float(line["loss"]), 4)]
            for line in read(run / "metrics.csv")
            if line["loss"]
        ],
        "layers": sizes.layers,
        "parameters": sizes.parameters,
        "flops_per_token": sizes.flops_per_token(LENGTH),
        **machine(),
    }


def measure_base(data: Path) -> dict[str, Any]:
    """Return the base's own losses, and by how much its expansions differ from it.

    ``expanded`` has for each depth the largest difference of a logit on one step of rows, and that of the
    loss on each set of texts.
    """
    names = [f"{domain}-report" for domain in ("stories", "english")]
    folders = [data / name for name in names]
    base = open_checkpoint(base_folder())
    sizes = LlamaSizes.of(base.config)
    own = losses(base, folders)
    rows = Rows(TokenFolder.open(str(folders[0])).train, length=LENGTH, micro=ROWS, isolate=False)
    ids = rows[0]["input_ids"]
    expanded = {}
    for layers in EXPANDED_TO:
        model, _ = initialize("expand", base_folder(), layers=layers)
        with torch.no_grad():
            apart = (model.eval()(ids).logits - base.eval()(ids).logits).abs().max()
        expanded[str(layers)] = {
            "logits": float(apart),
            **{
                name: abs(loss - before)
                for name, loss, before in zip(names, losses(model, folders), own, strict=True)
            },
        }
    return {
        "cell": "base",
        "losses": {name.split("-")[0]: round(loss, 5) for name, loss in zip(names, own, strict=True)},
        "expanded": expanded,
        "layers": sizes.layers,
        "parameters": sizes.parameters,
        "flops_per_token": sizes.flops_per_token(LENGTH),
        **machine(),
    }


@lru_cache
def machine() -> dict[str, Any]:
    """Return what the figures may depend on."""
    return {
        "torch": version("torch"),
        "transformers": version("transformers"),
        "lightning": version("pytorch-lightning"),
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
    }
