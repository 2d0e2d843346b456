"""What the data holds of a run, and how often each source would come."""

from __future__ import annotations

from dataclasses import dataclass

from prepcore.mixture.recipe import MANY_EPOCHS, Recipe
from trainer.mixture import Mixture
from trainer.tokens import TokenFolder


@dataclass(frozen=True)
class SourceUse:
    """A source of tokens.

    Attributes
    ----------
    name
        What it is called.
    share
        Of the rows of a run.
    tokens
        That it holds in whole rows.
    epochs
        How often it comes in the run.
    optimal_epochs
        How often it would come in a run that is compute-optimal.
    """

    name: str
    share: float
    tokens: int
    epochs: float
    optimal_epochs: float


@dataclass(frozen=True)
class DataUse:
    """What the data holds.

    Attributes
    ----------
    path
        Folder or recipe.
    tokens
        In whole rows, of all sources.
    validation_tokens
        Held out, in whole rows.
    sources
        Each of them; one for a folder.
    warnings
        What is to be said of those that come too often.
    """

    path: str
    tokens: int
    validation_tokens: int
    sources: tuple[SourceUse, ...]
    warnings: tuple[str, ...]


def data_use(folder: TokenFolder, *, length: int, rows: int, optimal_rows: int) -> DataUse:
    """Hold the rows of a run, and of one that is compute-optimal, against what there is.

    Parameters
    ----------
    folder
        The data.
    length
        Tokens in a row.
    rows, optimal_rows
        Of the run, and of the other.
    """
    validation = folder.validation.rows(length) * length if folder.validation else 0
    there = folder.train.rows(length)
    if isinstance(folder, Mixture):
        run, optimal = folder.recipe.of_rows(rows), folder.recipe.of_rows(optimal_rows)
        sources = tuple(
            SourceUse(
                source.name,
                source.weight / run.lap,
                source.available_rows * length,
                source.epochs,
                other.epochs,
            )
            for source, other in zip(run.sources, optimal.sources, strict=True)
        )
        return DataUse(str(folder.path), there * length, validation, sources, tuple(_warnings(run)))
    source = SourceUse(folder.path.name, 1.0, there * length, rows / there, optimal_rows / there)
    warning = (
        f"the data comes {source.epochs:.2f} times, more than {MANY_EPOCHS}: what comes so often teaches "
        "little more and is learned by heart (Muennighoff et al. 2023); find more text, or train a smaller "
        "model"
    )
    warnings = (warning,) if source.epochs > MANY_EPOCHS else ()
    return DataUse(str(folder.path), there * length, validation, (source,), warnings)


def _warnings(run: Recipe) -> list[str]:
    return [f"source {warning}" for warning in run.warnings]
