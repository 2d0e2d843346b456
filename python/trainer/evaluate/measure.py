"""What every way of scoring a checkpoint has in common, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from trainer.evaluate.subject import Subject


@dataclass(frozen=True)
class Score:
    """One figure.

    Attributes
    ----------
    value
        In the unit of its metric: a share from 0 to 1 for accuracies, 0 to 100 for BLEU and
        0 to 1 for ROUGE as their libraries give them.
    stderr
        Its standard error, or None where none is known.
    """

    value: float
    stderr: float | None = None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a measure found.

    Attributes
    ----------
    scores
        By metric.
    main
        The metric that stands for the measure in tables and means.
    higher_is_better
        Of the main metric.
    documents
        How many were scored.
    version
        That of the task, or None where there is none.
    details
        What else belongs to it and fits into JSON: shots, tokens, bytes, scores by subject.
    files
        Texts to be kept beside the results for people to look at, by the end of the file's name.
    """

    scores: Mapping[str, Score]
    main: str
    higher_is_better: bool = True
    documents: int = 0
    version: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


class Measure(Protocol):
    """One thing to score a checkpoint by."""

    @property
    def name(self) -> str:
        """What it is called in results; unique within one evaluation."""
        ...

    def settings(self) -> Mapping[str, Any]:
        """Return what decides its outcome, for JSON: an outcome of equal settings is not made again."""
        ...

    def check(self) -> None:
        """Find mistakes before torch is imported.

        Raises
        ------
        UsageError
            When it cannot be measured, saying what is wanted.
        """
        ...

    def run(self, subject: Subject) -> Outcome:
        """Score an open checkpoint."""
        ...
