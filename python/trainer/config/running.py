"""How a run is carried out: its length, its arithmetic, who hears of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from prepcore.arguments import option, parse_list

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


@dataclass(frozen=True, kw_only=True)
class TrainerConfig:
    """Length and running of the training, under Lightning's names."""

    max_steps: int | None = option(None, "stop after so many optimizer steps", minimum=1)
    max_tokens: int | None = option(None, "stop after so many tokens", minimum=1)
    max_epochs: int | None = option(
        None, "stop after so many passes over the data (1 if nothing is set)", minimum=1
    )
    accelerator: Literal["auto", "cpu", "gpu", "mps"] = option("auto", "where to train")
    devices: int | None = option(
        None, "devices of a node, a process each (1, or as many as torchrun started)", minimum=1
    )
    num_nodes: int | None = option(None, "nodes, on each of which torchrun starts it (1)", minimum=1)
    strategy: Literal["auto", "ddp", "fsdp"] = option(
        "auto", "several devices have a copy of the model each (ddp, auto) or a part of it (fsdp)"
    )
    reshard_after_forward: bool | None = option(
        None,
        "fsdp keeps no layer whole until its backward pass: true as ZeRO 3, false as ZeRO 2 (true)",
        metavar="true|false",
    )
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

    def __post_init__(self) -> None:
        if self.reshard_after_forward is not None and self.strategy != "fsdp":
            raise ValueError(
                f"trainer.reshard-after-forward has no effect when trainer.strategy is {self.strategy}, "
                "wanted fsdp"
            )
        if self.accelerator == "mps" and (self.devices or 1) > 1:
            raise ValueError(
                f"trainer.devices is {self.devices}, but with trainer.accelerator mps there is 1"
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
