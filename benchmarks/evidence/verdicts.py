"""Judging: whether what a claim needs is what the runs gave."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.evidence.plan import SEEDS, START_TOLERANCE, Below, Claim

SPREADS = 2
"""How many times the seed spread two means must lie apart."""

Figures = Mapping[str, Mapping[int, Mapping[str, Any]]]
"""The reported line of each cell and seed."""


def figures(lines: Iterable[Mapping[str, Any]]) -> dict[str, dict[int, Mapping[str, Any]]]:
    """Sort the reported lines by cell and seed."""
    found: dict[str, dict[int, Mapping[str, Any]]] = {}
    for line in lines:
        if line.get("half") == "report":
            found.setdefault(line["cell"], {})[line["seed"]] = line
    return found


def losses(found: Figures, cell: str, domain: str) -> dict[int, float]:
    """Return the losses of a cell by seed, in nats a token."""
    return {seed: line["losses"][domain] for seed, line in sorted(found.get(cell, {}).items())}


def mean(values: Iterable[float]) -> float:
    """Return the mean of some values."""
    values = list(values)
    return sum(values) / len(values)


def spread(values: Iterable[float]) -> float:
    """Return the seed spread: how far the highest lies above the lowest."""
    values = list(values)
    return max(values) - min(values)


@dataclass(frozen=True)
class Comparison:
    """How two cells lie to each other.

    Attributes
    ----------
    wanted
        What was to be.
    gaps
        By how much the upper cell's loss exceeds the lower cell's, by seed, for seeds that both have.
    spread
        The larger of the two cells' seed spreads.
    tokens
        Tokens of the lower cell's runs as a share of the upper's.
    """

    wanted: Below
    gaps: Mapping[int, float]
    spread: float
    tokens: float

    @property
    def complete(self) -> bool:
        """Whether there are figures for all seeds."""
        return set(self.gaps) == set(SEEDS)

    @property
    def gap(self) -> float:
        """The mean gap."""
        return mean(self.gaps.values())

    @property
    def holds(self) -> bool | None:
        """Whether it is as wanted; None while figures are missing."""
        if not self.complete:
            return None
        wanted = self.wanted
        each = all(gap > 0 and gap >= wanted.margin for gap in self.gaps.values())
        few = wanted.most_tokens is None or self.tokens <= wanted.most_tokens
        return each and few and self.gap > SPREADS * self.spread


def compare(wanted: Below, found: Figures) -> Comparison | None:
    """Lay two cells side by side; None when they have no seed in common."""
    lower, upper = (losses(found, cell, wanted.domain) for cell in (wanted.lower, wanted.upper))
    gaps = {seed: upper[seed] - lower[seed] for seed in lower if seed in upper}
    if not gaps:
        return None
    tokens = [next(iter(found[cell].values()))["tokens"] for cell in (wanted.lower, wanted.upper)]
    return Comparison(
        wanted, gaps, max(spread(lower.values()), spread(upper.values())), tokens[0] / tokens[1]
    )


def verdict(claim: Claim, found: Figures, base: Mapping[str, Any] | None) -> bool | None:
    """Say whether a claim holds; None while figures are missing.

    Parameters
    ----------
    claim
        One that compares runs, or, without comparisons, the one about the start of `expand`.
    found
        Reported lines.
    base
        What was measured of the base and its expansions.
    """
    if not claim.needs:
        return None if base is None else largest_difference(base, "loss") <= START_TOLERANCE
    comparisons = [compare(wanted, found) for wanted in claim.needs]
    answers = [None if each is None else each.holds for each in comparisons]
    if any(answer is False for answer in answers):
        return False
    return None if None in answers else True


def largest_difference(base: Mapping[str, Any], of: str) -> float:
    """Return by how much an expansion differs from its base at most, in its loss or in its logits."""
    differences = base["expanded"].values()
    if of == "logits":
        return max(float(each["logits"]) for each in differences)
    return max(float(value) for each in differences for name, value in each.items() if name != "logits")
