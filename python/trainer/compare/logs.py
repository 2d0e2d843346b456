"""The log of a run, measured in tokens, FLOPs and hours."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from trainer.report.facts import RunFacts

Line = Mapping[str, str]

Point = dict[str, Any]
"""``step``, ``tokens``, ``flops``, ``hours`` and a ``value``; what is not known is None."""

MEASURED = ("training", "loss"), ("validation", "validation_loss")
"""The curves that are compared, and their columns in the log."""


@dataclass(frozen=True)
class Clock:
    """How long training took up to a number of tokens.

    It adds up the tokens between two lines of the log over the tokens a second that the later one states, so
    validations, samples, checkpoints and what was lost with a kill are not in it.

    Attributes
    ----------
    times
        Tokens and hours, from 0 on; between two of them the way is straight.
    """

    times: Sequence[tuple[int, float]]

    @classmethod
    def of(cls, lines: Sequence[Line]) -> Clock:
        """Read the speeds of a log."""
        times = [(0, 0.0)]
        for line in lines:
            tokens, speed = int(line["tokens"]), number(line.get("tokens_per_second"))
            before, hours = times[-1]
            if speed and tokens > before:
                times.append((tokens, hours + (tokens - before) / speed / 3600))
        return cls(times)

    def hours(self, tokens: int) -> float | None:
        """Return the hours of training up to some tokens; None where the log states no speed."""
        if len(self.times) < 2:
            return None
        after = min(max(1, bisect_left(self.times, tokens, key=lambda time: time[0])), len(self.times) - 1)
        # Beyond the last speed that is stated it goes on.
        (low, begun), (high, ended) = self.times[after - 1 : after + 1]
        return begun + (ended - begun) * (tokens - low) / (high - low)


@dataclass(frozen=True)
class Log:
    """What a log says of a run, up to a step.

    Attributes
    ----------
    facts
        The run, whose log has whole lines alone.
    clock
        How long it took.
    flops_per_token
        Operations of a token; None where they are not known.
    unreadable
        Lines that were left out: a run may be writing one just now.
    """

    facts: RunFacts
    clock: Clock
    flops_per_token: float | None
    unreadable: int

    @classmethod
    def of(cls, facts: RunFacts, flops_per_token: float | None, until: int | None) -> Log:
        """Take what a run has logged, up to a step or all of it."""
        whole = [line for line in facts.lines if _is_whole(line)]
        kept = [line for line in whole if until is None or int(line["step"]) <= until]
        return cls(replace(facts, lines=kept), Clock.of(kept), flops_per_token, len(facts.lines) - len(whole))

    def curve(self, column: str) -> list[Point]:
        """Return a column of the log, without what is no number."""
        tokens = {int(line["step"]): int(line["tokens"]) for line in self.facts.lines}
        return [
            {**self.place(step, tokens[step]), "value": value} for step, value in self.facts.column(column)
        ]

    def place(self, step: int, tokens: int) -> Point:
        """Say where a step lies on every axis."""
        return {
            "step": step,
            "tokens": tokens,
            "flops": None if self.flops_per_token is None else tokens * self.flops_per_token,
            "hours": self.clock.hours(tokens),
        }

    def place_of_step(self, step: int) -> Point | None:
        """Say where a step lies on every axis, between the lines of the log; None beyond them."""
        known = sorted(
            {0: 0, **{int(line["step"]): int(line["tokens"]) for line in self.facts.lines}}.items()
        )
        if step > known[-1][0]:
            return None
        after = bisect_left(known, step, key=lambda line: line[0])
        if known[after][0] == step:
            return self.place(step, known[after][1])
        (low, begun), (high, ended) = known[after - 1 : after + 1]
        return self.place(step, round(begun + (ended - begun) * (step - low) / (high - low)))

    @property
    def not_finite(self) -> int:
        """Lines whose loss is no finite number: steps that were left out, or after which the run stopped."""
        stated = [line[column] for line in self.facts.lines for _, column in MEASURED if line.get(column)]
        return sum(number(text) is None for text in stated)


def number(text: str | None) -> float | None:
    """Read a figure of a log; None where there is none, or none that is finite."""
    try:
        value = float(text or "nan")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def at_equal(
    curves: Sequence[Sequence[Point]], axis: str, pieces: int = 5
) -> tuple[list[float], list[list[Any]]]:
    """Read curves at the same places of an axis, straight between their points.

    Parameters
    ----------
    curves
        Some may be empty.
    axis
        ``tokens``, ``flops``, ``hours`` or ``step``.
    pieces
        Into how many the way of the shortest curve is cut; the places are their ends.

    Returns
    -------
    tuple
        The places, and for each curve its values there; None before its first point, or where it has none.
    """
    ways = [[(point[axis], point["value"]) for point in curve if point[axis] is not None] for curve in curves]
    ends = [way[-1][0] for way in ways if way]
    if not ends or not min(ends):
        return [], [[] for _ in curves]
    # The last place is the end itself, and not what rounding makes of it.
    places = [min(ends) * piece / pieces for piece in range(1, pieces)] + [min(ends)]
    return places, [[_between(way, place) for place in places] for way in ways]


def _between(way: Sequence[tuple[float, float]], place: float) -> float | None:
    for (low, begun), (high, ended) in pairwise(way):
        if low <= place <= high:
            return begun + (ended - begun) * ((place - low) / (high - low) if high > low else 1)
    return way[0][1] if len(way) == 1 and way[0][0] == place else None


def _is_whole(line: Line) -> bool:
    """Say whether a line is as it was written: none of its fields cut off, a step, and tokens."""
    # Where there are too few fields a value is None, and where too many the name of a column.
    if None in line.values() or None in line:
        return False
    return str(line.get("step")).isdecimal() and str(line.get("tokens")).isdecimal()
