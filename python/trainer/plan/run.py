"""How long the run of a plan is, with its data or before there is any."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from prepcore.arguments import UsageError
from trainer.config.planning import PlanConfig
from trainer.mixture import Mixture
from trainer.plan.architecture import Architecture
from trainer.resolve import RunNumbers, open_folder, resolve, run_numbers, schedule_of
from trainer.tokens import TokenFolder

USUAL_LENGTH = 2048
"""Tokens in a row where neither data nor an option says: what ``prepcore pack`` makes."""


@dataclass(frozen=True)
class Length:
    """How long a run is.

    Attributes
    ----------
    numbers
        As a run has them.
    why
        What its length follows from.
    optimal_tokens
        Tokens that are compute-optimal for the model.
    micro_batches
        Micro-batches of a full step, on all devices together.
    """

    numbers: RunNumbers
    why: str
    optimal_tokens: int
    micro_batches: int

    @property
    def tokens(self) -> int:
        """Tokens of the whole run."""
        return self.numbers.tokens_before(self.numbers.total_steps)


def open_planned(config: PlanConfig) -> TokenFolder | None:
    """Open the data of a run as the run would, but write nothing; None where no data is named.

    Raises
    ------
    UsageError
        As for a run, and for rows in Parquet that no run has converted yet.
    """
    if not config.data.path:
        if config.trainer.max_epochs is not None:
            raise UsageError(
                f"trainer.max-epochs is {config.trainer.max_epochs}, passes over data, and there is none",
                "give --data.path, or --trainer.max-tokens instead",
            )
        return None

    def refuse(line: str) -> None:
        raise UsageError(
            f"{config.data.path} has rows in Parquet that were not converted yet, and a plan writes nothing",
            "fit converts them when it begins; `prepcore convert` makes a token folder of them",
        )

    return open_folder(config, refuse)


def row_length(config: PlanConfig, folder: TokenFolder | None) -> int:
    """Return the tokens of a row."""
    if config.data.sequence_length is not None:
        return config.data.sequence_length
    return folder.sequence_length if folder else USUAL_LENGTH


def run_length(config: PlanConfig, folder: TokenFolder | None, model: Architecture, length: int) -> Length:
    """Work out how long a run is.

    Without data and without a limit it is as long as is compute-optimal.

    Raises
    ------
    UsageError
        When the data is too short, or a step is no whole number of micro-batches on every device.
    """
    optimal = math.ceil(config.tokens_per_parameter * model.sizes.parameters)
    limits = config.trainer
    if folder is None:
        numbers = run_numbers(
            config,
            length=length,
            rows=-(-optimal // length),
            isolate=config.data.isolate_documents,
            processes=config.devices,
        )
    else:
        numbers = resolve(config, folder, config.devices)
    schedule_of(config, numbers)
    if limits.max_steps is not None or limits.max_tokens is not None:
        why = "as long as was asked for"
    elif folder is None:
        why = f"as long as is compute-optimal, {config.tokens_per_parameter:g} tokens a parameter"
    else:
        passes = limits.max_epochs or 1
        whole = "recipe" if isinstance(folder, Mixture) else "data"
        why = f"{passes} pass{'es' if passes > 1 else ''} over the {whole} {Path(config.data.path).name}"
    return Length(numbers, why, optimal, numbers.rows_per_step // config.batch.micro)
