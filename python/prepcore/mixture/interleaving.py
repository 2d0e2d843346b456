"""Whose row comes next: an order of sources that keeps each within one row of its share at every moment.

After ``t`` rows a source of share ``p`` has had ``t·p`` rows rounded down or up, never anything else, for any
number of sources and any weights. This is the chairman assignment problem (Tijdeman, 1980); the rule used is
that of proportionate fairness (Baruah, Cohen, Plaxton and Varvel, 1996) on one processor:

Number the rows of a source from 0. Its row ``j`` may come at place ``floor(j/p)`` at the earliest, where it
takes the source to at most ``t·p`` rounded up, and must come before place ``ceil((j+1)/p)``, where the source
would fall below ``t·p`` rounded down. At every place, of the rows that may come, the one comes that must come
first.

*Why every row comes in time.* The rows that may come no earlier than place ``s`` and must come before place
``e`` are, of one source, those with ``s·p ≤ j`` and ``j + 1 ≤ e·p``: at most ``(e-s)·p``, so of all sources
together at most ``e-s``, which is the number of places. By Hall's theorem a place can then be found for every
row, and where the places of each are an interval, taking the earliest deadline finds one (Glover, 1967). *Why
no place stays empty.* By place ``t`` every source has ``ceil((t+1)·p)`` rows that may have come, together at
least ``t+1``, one more than the places before it.

Weights are whole numbers and everything is counted in whole numbers, so no rounding adds up. How many rows
each source has had is all there is to know of the past, and after a *lap*, as many rows as the weights add up
to, everything begins anew.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from itertools import islice
from math import gcd

STRIDE = 1 << 16
"""Rows between two places whose counts are kept: going on from there takes about a tenth of a second."""

Counts = tuple[int, ...]


class Interleaving:
    """The endless order of sources with given weights.

    Asking for places in their order costs about two microseconds a place. A place far away is reached from
    the nearest one known before it: the start of its lap, one every `STRIDE` rows that was passed already,
    or one that was told with `know`.

    Parameters
    ----------
    weights
        How many rows of each source to how many of the others; whole numbers of at least 1.

    Attributes
    ----------
    weights
        The same without a common divisor.
    lap
        Their sum: rows after which the order repeats.

    Raises
    ------
    ValueError
        When there are no weights, or one is below 1.
    """

    def __init__(self, weights: Sequence[int]) -> None:
        if not weights or min(weights) < 1:
            raise ValueError(f"the weights are {list(weights)}, wanted whole numbers of at least 1")
        divisor = gcd(*weights)
        self.weights = tuple(weight // divisor for weight in weights)
        self.lap = sum(self.weights)
        none = tuple(0 for _ in weights)
        self._known: dict[int, Counts] = {0: none}
        self._places = [0]
        self._walk = _Walk(self.weights, none)
        self._begun = self._walk.state()

    def sources(self, first: int, count: int) -> tuple[Counts, list[int]]:
        """Return whose rows stand at some consecutive places.

        Parameters
        ----------
        first
            The first place, from 0.
        count
            How many.

        Returns
        -------
        tuple
            The rows each source has had before `first`, and the number of the source at each place.
        """
        walk = self._reach(first)
        self._begun = walk.state()
        return self._begun, self._advance(walk, count)

    def counts(self, place: int) -> Counts:
        """Return how many rows of each source stand before a place."""
        if (
            sum(self._begun) == place
        ):  # what a checkpoint asks for: the places last given were looked ahead at
            return self._begun
        return self._reach(place).state()

    def know(self, counts: Sequence[int]) -> bool:
        """Take the rows each source has had as a place to go on from.

        Returns
        -------
        bool
            Whether it is one: each within one row of its share. If it is not, it is left aside.
        """
        place = sum(counts)
        if len(counts) != len(self.weights) or any(
            abs(count * self.lap - place * weight) >= self.lap
            for count, weight in zip(counts, self.weights, strict=True)
        ):
            return False
        laps = place // self.lap
        inside = tuple(count - laps * weight for count, weight in zip(counts, self.weights, strict=True))
        self._remember(inside)
        return True

    def _reach(self, place: int) -> _Walk:
        """Return a walk that stands at a place."""
        if self._walk.place != place:
            laps, inside = divmod(place, self.lap)
            known = self._places[bisect_right(self._places, inside) - 1]
            here = self._walk.place - laps * self.lap
            if not known <= here <= inside:
                before = (
                    count + laps * weight
                    for count, weight in zip(self._known[known], self.weights, strict=True)
                )
                self._walk = _Walk(self.weights, tuple(before))
            self._advance(self._walk, place - self._walk.place)
        return self._walk

    def _advance(self, walk: _Walk, count: int) -> list[int]:
        """Walk on, keeping the counts at every stride of the first lap."""
        taken: list[int] = []
        while count:
            steps = min(count, STRIDE - walk.place % STRIDE)
            taken += islice(walk, steps)
            count -= steps
            if walk.place % STRIDE == 0 and walk.place < self.lap:
                self._remember(walk.state())
        return taken

    def _remember(self, counts: Counts) -> None:
        place = sum(counts)
        if place not in self._known:
            insort(self._places, place)
            self._known[place] = counts


class _Walk:
    """Goes through the order a place at a time.

    Parameters
    ----------
    weights
        Without a common divisor.
    counts
        Rows that each source has had.
    """

    def __init__(self, weights: Counts, counts: Counts) -> None:
        self.weights = weights
        self.lap = sum(weights)
        self.counts = list(counts)
        self.place = sum(counts)
        # The next row of every source is in one of two heaps: when it must come, or, until then, when it may.
        self._ready: list[tuple[int, int]] = []
        self._waiting = [(self._earliest(source), source) for source in range(len(weights))]
        heapify(self._waiting)

    def state(self) -> Counts:
        """Return the rows that each source has had."""
        return tuple(self.counts)

    def __iter__(self) -> _Walk:
        return self

    def __next__(self) -> int:
        while self._waiting and self._waiting[0][0] <= self.place:
            _, source = heappop(self._waiting)
            heappush(self._ready, (self._deadline(source), source))
        _, source = heappop(self._ready)
        self.counts[source] += 1
        self.place += 1
        heappush(self._waiting, (self._earliest(source), source))
        return source

    def _earliest(self, source: int) -> int:
        return self.counts[source] * self.lap // self.weights[source]

    def _deadline(self, source: int) -> int:
        return -(-(self.counts[source] + 1) * self.lap // self.weights[source])
