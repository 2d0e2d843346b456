"""What is trained on, and how the weights move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from prepcore.arguments import option


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
class CheckpointConfig:
    """What is kept of a run."""

    interval: int | None = option(None, "steps between checkpoints (trainer.val-check-interval)", minimum=1)
    keep: int = option(2, "how many of the newest checkpoints stay", minimum=1)
    best: int = option(1, "how many of those with the lowest validation loss stay besides", minimum=0)
    keep_every: int | None = option(
        None, "checkpoints of steps that this divides stay for good", minimum=1, metavar="STEPS"
    )
