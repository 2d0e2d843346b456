"""What may be set: one tree of frozen dataclasses, a class a section, importable without torch.

The same names are options (``--model.hidden-size``) and YAML keys (``hidden-size`` under ``model``). Options
under ``trainer`` bear the names that ``lightning.Trainer`` gives them, with ``max-tokens`` added.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from prepcore.arguments import Parser, UsageError, option, parse_list

ARCHITECTURE = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "vocab_size",
    "max_position_embeddings",
    "rms_norm_eps",
    "rope_theta",
    "tie_word_embeddings",
    "initializer_range",
)
"""The options that describe a new model; where weights come from a source, they must say what it is."""


LOGGERS = ("csv", "tensorboard", "wandb")
"""Where the figures of a run go; the first is always written, since a run that continues reads it."""


def parse_loggers(value: Any) -> tuple[str, ...]:
    """Convert ``csv,tensorboard`` or a list of such names, each once and ``csv`` always among them.

    Raises
    ------
    ValueError
        When a name is not one of :data:`LOGGERS`.
    """
    names = parse_list(value)
    for name in names:
        if name not in LOGGERS:
            raise ValueError(f"{name!r} is not a logger, wanted some of {', '.join(LOGGERS)}")
    return tuple(name for name in LOGGERS if name == "csv" or name in names)


def parse_keep(value: Any) -> str | tuple[int, ...]:
    """Convert ``middle``, ``last``, ``block-influence`` or a list of layer numbers such as ``0,1,4``.

    Raises
    ------
    ValueError
        When it is none of these.
    """
    if value in ("middle", "last", "block-influence"):
        return str(value)
    items = value.strip("[] ").split(",") if isinstance(value, str) else value
    try:
        return tuple(int(item) for item in items)
    except (TypeError, ValueError):
        raise ValueError(
            f"{value!r} is not middle, last, block-influence, or a list of layers such as 0,1,4"
        ) from None


@dataclass(frozen=True, kw_only=True)
class InitConfig:
    """Where the first weights come from."""

    strategy: Literal["random", "continue", "downscale", "upscale", "expand", "stack"] = option(
        "random",
        "fresh weights, or those of a source: all, with fewer layers, with more (upscale as SOLAR, expand as "
        "LLaMA-Pro, stack as G_stack)",
    )
    source: str | None = option(
        None, "Hugging Face folder, hub id or checkpoint to take weights from", metavar="FOLDER_OR_ID"
    )
    layers: int | None = option(None, "layers wanted after a surgery", minimum=1)
    keep: str | tuple[int, ...] | None = option(
        None,
        "source layers in their new order: middle (first and last, the default of downscale), last, "
        "block-influence (those that change the hidden states most), or 0,1,4",
        metavar="middle|last|block-influence|LIST",
        parse=parse_keep,
    )
    sample_tokens: int | None = option(
        None, "tokens that the influence of blocks is measured on (32768)", minimum=1
    )
    vocabulary: Literal["refuse", "extend"] = option(
        "refuse", "what becomes of tokens that the data has and the source lacks: rows are added by extend"
    )
    train: Literal["all", "new-blocks"] = option(
        "all", "which weights learn: after expand, the new blocks alone if asked for"
    )
    distribution: Literal["normal", "truncated"] | None = option(
        None, "random weights: normal (the default), or truncated at two deviations"
    )
    depth_scaled: bool = option(
        False, "divide random output projections by the root of twice the layers", metavar="true|false"
    )

    def __post_init__(self) -> None:
        if self.strategy == "random":
            self._refuse("source", "layers", "keep", "sample_tokens", "vocabulary", "train")
            return
        self._refuse("distribution", "depth_scaled")
        if self.source is None:
            raise ValueError(
                f"model.init.strategy is {self.strategy}: wanted model.init.source, the folder of a model"
            )
        if self.strategy == "continue":
            self._refuse("layers", "keep")
        elif self.layers is None and not isinstance(self.keep, tuple):
            or_list = ", or keep as a list" if self.strategy in ("downscale", "upscale") else ""
            raise ValueError(f"model.init.strategy is {self.strategy}: wanted model.init.layers N{or_list}")
        self._check_keep()
        if self.strategy != "expand":
            self._refuse("train")
        elif self.train == "new-blocks" and self.vocabulary == "extend":
            raise ValueError(
                "model.init.train is new-blocks, but the rows that model.init.vocabulary extend adds are in "
                "no block and would never learn: wanted train all"
            )

    def _check_keep(self) -> None:
        if self.strategy in ("expand", "stack"):
            self._refuse("keep")
        if self.strategy == "upscale" and isinstance(self.keep, str):
            raise ValueError(f"model.init.keep is {self.keep}, which is for downscale; upscale takes a list")
        if isinstance(self.keep, tuple) and self.layers not in (None, len(self.keep)):
            raise ValueError(
                f"model.init.layers is {self.layers}, but model.init.keep lists {len(self.keep)} layers"
            )
        if self.sample_tokens is not None and self.keep != "block-influence":
            raise ValueError("model.init.sample-tokens has no effect without model.init.keep block-influence")

    def _refuse(self, *names: str) -> None:
        defaults = {each.name: each.default for each in dataclasses.fields(self)}
        for name in names:
            if getattr(self, name) != defaults[name]:
                raise ValueError(
                    f"model.init.{name.replace('_', '-')} has no effect when model.init.strategy is "
                    f"{self.strategy}"
                )


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The architecture (names as in transformers' ``LlamaConfig``) and its first weights."""

    preset: str | None = option(
        None, "take the architecture from a preset, such as tinysolar-248m", metavar="NAME"
    )
    hidden_size: int | None = option(None, "width of the residual stream", minimum=1)
    intermediate_size: int | None = option(None, "width inside the feed-forward blocks", minimum=1)
    num_hidden_layers: int | None = option(None, "transformer layers", minimum=1)
    num_attention_heads: int | None = option(None, "query heads", minimum=1)
    num_key_value_heads: int | None = option(None, "key and value heads (as many as query heads)", minimum=1)
    vocab_size: int | None = option(None, "rows of the embedding (what the data's tokenizer has)", minimum=1)
    max_position_embeddings: int | None = option(None, "longest text (the sequence length)", minimum=1)
    rms_norm_eps: float | None = option(None, "epsilon of the norms (1e-6)", minimum=0)
    rope_theta: float | None = option(None, "base of the rotary embedding (10000)", minimum=1)
    tie_word_embeddings: bool | None = option(
        None, "one matrix for input and output (false)", metavar="true|false"
    )
    initializer_range: float | None = option(None, "deviation of the random weights (0.02)", minimum=0)
    attention_dropout: float | None = option(
        None, "share of attention weights dropped in training (the source's, or 0)", minimum=0, maximum=0.99
    )
    init: InitConfig = field(default_factory=InitConfig)


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """What to train on."""

    path: str = option(
        help="what `prepcore pack` wrote, a recipe of `prepcore mix`, or Parquet with rows of ids in a "
        "column input_ids",
        metavar="DIR_OR_RECIPE",
    )
    tokenizer: str | None = option(
        None, "folder of the tokenizer of Parquet rows that come without (that of the source)", metavar="DIR"
    )
    cache: str | None = option(
        None, "token folder that Parquet rows are converted into, once (beside them)", metavar="DIR"
    )
    sequence_length: int | None = option(None, "tokens in a row (what the folder was packed for)", minimum=2)
    isolate_documents: bool = option(
        True, "hide documents that share a row from each other", metavar="true|false"
    )
    without_replay: bool = option(
        False, "continue a model without old data, and say nothing of it", metavar="true|false"
    )


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """AdamW, or Muon for the hidden matrices and AdamW for the rest; norms and biases never decay."""

    name: Literal["adamw", "muon"] = option("adamw", "AdamW for all, or Muon for the matrices of the layers")
    learning_rate: float = option(3e-4, "peak learning rate", minimum=0)
    betas: tuple[float, float] = option((0.9, 0.95), "decay of the two moments", metavar="B1,B2")
    epsilon: float = option(1e-8, "added to the root of the second moment", minimum=0)
    weight_decay: float = option(0.1, "decoupled weight decay", minimum=0)
    decay_embeddings: bool = option(False, "decay the embedding table too", metavar="true|false")
    muon_learning_rate: float | None = option(
        None, "peak learning rate of the matrices that Muon moves (optimizer.learning-rate)", minimum=0
    )
    muon_momentum: float | None = option(None, "momentum of Muon (0.95)", minimum=0, maximum=1)
    muon_nesterov: bool | None = option(None, "Nesterov momentum for Muon (true)", metavar="true|false")
    muon_scale: Literal["match-rms-adamw", "original"] | None = option(
        None, "how long Muon's steps are: as AdamW's (match-rms-adamw, the default), or as first published"
    )

    def __post_init__(self) -> None:
        if self.name != "muon":
            for name in ("muon_learning_rate", "muon_momentum", "muon_nesterov", "muon_scale"):
                if getattr(self, name) is not None:
                    raise ValueError(
                        f"optimizer.{name.replace('_', '-')} has no effect when optimizer.name is {self.name}"
                    )
        elif self.learning_rate == 0:
            raise ValueError("optimizer.learning-rate is 0, wanted more than 0 with optimizer.name muon")
        if self.muon_momentum == 1:
            raise ValueError("optimizer.muon-momentum is 1, wanted less than 1")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"optimizer.betas is {list(self.betas)}, wanted two numbers from 0 to below 1")


@dataclass(frozen=True, kw_only=True)
class ScheduleConfig:
    """The learning rate over the run: linear warm-up, then a decay, at once or at the end (wsd)."""

    name: Literal["cosine", "linear", "constant", "wsd"] = option(
        "cosine", "shape after the warm-up; wsd stays at the peak and decays at the end"
    )
    warmup: str = option(
        "1%",
        "steps, a share of the run, or tokens such as 2000000t",
        metavar="STEPS|SHARE%|TOKENSt",
        parse=str,
    )
    final_share: float | None = option(None, "share of the peak left at the end (0.1)", minimum=0, maximum=1)
    decay: str | None = option(
        None, "length of the decay of wsd (10%)", metavar="STEPS|SHARE%|TOKENSt", parse=str
    )
    decay_shape: Literal["linear", "cosine", "sqrt"] | None = option(
        None, "shape of the decay of wsd (linear); sqrt is one minus a root"
    )

    def __post_init__(self) -> None:
        if self.name != "wsd":
            for name in ("decay", "decay_shape"):
                if getattr(self, name) is not None:
                    raise ValueError(
                        f"schedule.{name.replace('_', '-')} has no effect when schedule.name is {self.name}"
                    )
        if self.name == "constant" and self.final_share is not None:
            raise ValueError("schedule.final-share has no effect when schedule.name is constant")


@dataclass(frozen=True, kw_only=True)
class BatchConfig:
    """How much one optimizer step sees, and how much of it at a time."""

    tokens: int | None = option(None, "tokens in an optimizer step (one micro-batch)", minimum=1)
    micro: int = option(8, "rows in a micro-batch: what must fit in memory", minimum=1)
    ramp_from: int | None = option(
        None, "tokens in the first steps, which then grow to batch.tokens (no ramp)", minimum=1
    )
    ramp_tokens: int | None = option(None, "tokens over which the steps grow", minimum=1)

    def __post_init__(self) -> None:
        if (self.ramp_from is None) != (self.ramp_tokens is None):
            raise ValueError("batch.ramp-from and batch.ramp-tokens go together, wanted both or neither")
        if self.ramp_from is not None and self.ramp_from >= (self.tokens or 0):
            raise ValueError(
                f"batch.ramp-from is {self.ramp_from}, wanted less than batch.tokens ({self.tokens})"
            )


@dataclass(frozen=True, kw_only=True)
class TrainerConfig:
    """Length and running of the training, under Lightning's names."""

    max_steps: int | None = option(None, "stop after so many optimizer steps", minimum=1)
    max_tokens: int | None = option(None, "stop after so many tokens", minimum=1)
    max_epochs: int | None = option(
        None, "stop after so many passes over the data (1 if nothing is set)", minimum=1
    )
    accelerator: Literal["auto", "cpu", "gpu", "mps"] = option("auto", "where to train")
    precision: Literal["auto", "32-true", "bf16-mixed"] = option(
        "auto", "bf16-mixed where it is fast (CUDA, AMX), else 32-true"
    )
    gradient_clip_val: float | None = option(
        1.0, "largest norm of the gradient; 0 or null leaves it", minimum=0
    )
    skip_spikes: float | None = option(
        None,
        "leave out steps whose loss or gradient lies so many deviations above the last hundred (none)",
        minimum=1,
        metavar="SIGMA",
    )
    val_check_interval: int = option(250, "steps between validations", minimum=1)
    limit_val_batches: int | None = option(
        None, "validate on the first N micro-batches only, of each source", minimum=1
    )
    log_every_n_steps: int = option(10, "steps between lines of the log", minimum=1)
    peak_tflops: float | None = option(
        None,
        "most that one device does, 10^12 operations a second, for MFU (that of known GPUs)",
        minimum=0.001,
    )


Attention = Literal["auto", "eager", "sdpa", "split", "varlen"]
"""The ways to attend, of which `auto` is the fastest one that can."""

Loss = Literal["auto", "chunked", "whole"]
"""The ways to compute the loss, of which `auto` is chosen by size."""


def parse_compile(value: Any) -> str:
    """Convert ``auto``, ``on`` or ``off``, the last two of which YAML reads as true and false.

    Raises
    ------
    ValueError
        When it is none of these.
    """
    word = {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value
    if word not in ("auto", "on", "off"):
        raise ValueError(f"{value!r} is not one of auto, on, off")
    return str(word)


def parse_activation_checkpointing(value: Any) -> str:
    """Convert ``off``, ``full``, or how many layers there are to each that is recomputed.

    Raises
    ------
    ValueError
        When it is none of these.
    """
    word = "off" if value is False else str(value)
    if word in ("off", "full") or (word.isascii() and word.isdigit() and int(word) >= 1):
        return word
    raise ValueError(f"{value!r} is not off, full, or a whole number K for every K-th layer")


@dataclass(frozen=True, kw_only=True)
class ComputeConfig:
    """How the arithmetic is done; apart from rounding, nothing here changes what is learned."""

    attention: Attention = option(
        "auto", "how documents are attended apart: the fastest here, or one of these"
    )
    loss: Loss = option("auto", "logits a chunk at a time (little memory) or all at once, chosen by size")
    compile: str = option(
        "auto",
        "compile the layers: auto where a run is long enough",
        metavar="auto|on|off",
        parse=parse_compile,
    )
    activation_checkpointing: str = option(
        "off",
        "recompute instead of keeping what happens in all layers, or every K-th",
        metavar="off|full|K",
        parse=parse_activation_checkpointing,
    )

    @property
    def recompute_every(self) -> int:
        """How many layers there are to each that is recomputed; 0 for none."""
        return int(
            {"off": "0", "full": "1"}.get(self.activation_checkpointing, self.activation_checkpointing)
        )


@dataclass(frozen=True, kw_only=True)
class CheckpointConfig:
    """What is kept of a run."""

    interval: int | None = option(None, "steps between checkpoints (trainer.val-check-interval)", minimum=1)
    keep: int = option(2, "how many of the newest checkpoints stay", minimum=1)
    best: int = option(1, "how many of those with the lowest validation loss stay besides", minimum=0)
    keep_every: int | None = option(
        None, "checkpoints of steps that this divides stay for good", minimum=1, metavar="STEPS"
    )


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
        attention, dropout = self.compute.attention, self.model.attention_dropout
        if attention in ("split", "varlen") and dropout:
            raise ValueError(
                f"compute.attention is {attention}, which knows no dropout, but model.attention-dropout is "
                f"{dropout}: wanted auto, eager or sdpa"
            )
        trainer = self.trainer
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
