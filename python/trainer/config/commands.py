"""What each command may be told, and the presets."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from prepcore.arguments import Parser, UsageError, option
from trainer.config.evaluating import EvaluationConfig
from trainer.config.model import ARCHITECTURE, InitConfig, ModelConfig
from trainer.config.running import ComputeConfig, TrainerConfig, parse_loggers
from trainer.config.training import BatchConfig, CheckpointConfig, DataConfig, OptimizerConfig, ScheduleConfig


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """Everything that ``python -m trainer fit`` may be told."""

    data: DataConfig
    model: ModelConfig = field(default_factory=ModelConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    batch: BatchConfig = field(default_factory=BatchConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    seed: int = option(0, "seed of the weights, of the data order and of dropout", minimum=0)
    logger: tuple[str, ...] = option(
        ("csv",),
        "where the figures go: csv, always; tensorboard; wandb",
        metavar="LIST",
        parse=parse_loggers,
    )
    prompts: str | None = option(
        None, "text file, a prompt a line, continued at each validation", metavar="FILE"
    )
    run: str = option("runs/default", "folder of this run, new or empty", metavar="DIR")
    resume: str | None = option(
        None, "continue the run in this folder from its last checkpoint", metavar="RUN"
    )

    def __post_init__(self) -> None:
        if self.data.without_replay and self.model.init.strategy != "continue":
            raise ValueError(
                "data.without-replay has no effect when model.init.strategy is "
                f"{self.model.init.strategy}, wanted continue"
            )
        every, interval = self.checkpoint.keep_every, self.checkpoint.interval
        interval = interval or self.trainer.val_check_interval
        if every is not None and every % interval:
            raise ValueError(
                f"checkpoint.keep-every is {every}, wanted a multiple of the {interval} steps between "
                "checkpoints (checkpoint.interval)"
            )
        if (often := self.evaluation.every) is not None and often % interval:
            raise ValueError(
                f"evaluation.every is {often}, wanted a multiple of the {interval} steps between checkpoints "
                "(checkpoint.interval)"
            )
        attention, dropout = self.compute.attention, self.model.attention_dropout
        if attention in ("split", "varlen") and dropout:
            raise ValueError(
                f"compute.attention is {attention}, which knows no dropout, but model.attention-dropout is "
                f"{dropout}: wanted auto, eager or sdpa"
            )
        trainer = self.trainer
        if self.optimizer.name == "muon" and trainer.strategy == "fsdp":
            raise ValueError(
                "optimizer.name is muon, which needs whole matrices, but trainer.strategy is fsdp, by which "
                "each device has a part: wanted ddp, or adamw"
            )
        if attention == "varlen" and (trainer.accelerator == "cpu" or trainer.precision == "32-true"):
            raise ValueError(
                "compute.attention is varlen, which is for CUDA in bf16, but trainer.accelerator is "
                f"{trainer.accelerator} and trainer.precision {trainer.precision}"
            )
        if attention == "split" and trainer.accelerator in ("gpu", "mps"):
            raise ValueError(
                "compute.attention is split, which is for CPUs, but trainer.accelerator is "
                f"{trainer.accelerator}"
            )


@dataclass(frozen=True, kw_only=True)
class InitializeConfig:
    """Everything that ``python -m trainer init`` may be told."""

    out: str = option(help="folder to write, new or empty", metavar="DIR")
    model: ModelConfig = field(default_factory=ModelConfig)
    tokenizer: str | None = option(None, "folder of tokenizer files (those of the source)", metavar="DIR")
    tokens: str | None = option(
        None,
        "token folder or recipe: the loss is measured on it before and after, and the influence of blocks",
        metavar="DIR_OR_RECIPE",
    )
    seed: int = option(0, "seed of random weights", minimum=0)

    def __post_init__(self) -> None:
        if self.model.init.train != "all":
            raise ValueError("model.init.train has no effect in init, which trains nothing")
        check_measurable(self.model.init, tokens=self.tokens, tokenizer=self.tokenizer)


def check_measurable(init: InitConfig, *, tokens: str | None, tokenizer: str | None) -> None:
    """Refuse an initialisation that needs data where there is none.

    Raises
    ------
    ValueError
        Naming what is wanted.
    """
    if init.keep == "block-influence" and tokens is None:
        raise ValueError("model.init.keep is block-influence: wanted tokens, the folder to measure it on")
    if init.vocabulary == "extend" and tokens is None and tokenizer is None:
        raise ValueError(
            "model.init.vocabulary is extend: wanted tokenizer, the folder of the one that has more tokens"
        )


@dataclass(frozen=True, kw_only=True)
class GenerateConfig:
    """Everything that ``python -m trainer generate`` may be told."""

    checkpoint: list[str] = option(
        help="checkpoint or any Hugging Face folder", metavar="CHECKPOINT", positional=True
    )
    prompt: str = option("", "text to continue; nothing: the beginning of a document")
    max_new_tokens: int = option(100, "stop after so many tokens, if the text does not end before", minimum=1)
    temperature: float = option(1.0, "1 samples as trained, lower is safer, 0 takes the likeliest", minimum=0)
    top_k: int | None = option(None, "sample among the k likeliest tokens", minimum=1)
    top_p: float | None = option(
        None, "sample among the likeliest tokens that hold this share", minimum=0, maximum=1
    )
    seed: int = option(0, "seed of the sampling", minimum=0)

    def __post_init__(self) -> None:
        if len(self.checkpoint) != 1:
            raise ValueError(f"CHECKPOINT is {len(self.checkpoint)} folders, wanted one")


def presets() -> Mapping[str, Path]:
    """List the presets that come with the package, name to file."""
    folder = Path(str(resources.files("trainer") / "presets"))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def with_preset(model: ModelConfig) -> ModelConfig:
    """Fill what a model configuration leaves open with the architecture of the preset it names.

    Raises
    ------
    UsageError
        When there is no such preset.
    """
    if model.preset is None:
        return model
    files = presets()
    if model.preset not in files:
        raise UsageError(
            f"model.preset is {model.preset!r}, wanted one of {', '.join(files)}",
            "leave it out to give the sizes themselves",
        )
    values = Parser(FitConfig, "fit", files).values(["--config", model.preset])
    left_open = {name: values[f"model.{name}"] for name in ARCHITECTURE if getattr(model, name) is None}
    return dataclasses.replace(model, preset=None, **left_open)
