"""Which rows make an optimizer step: a pure function of the seed and the step.

The rows of an epoch are visited in a pseudo-random order that is computed, not stored: a keyed permutation
answers "which row is at place p" in constant memory, so a checkpoint needs a step number and nothing else,
and skipping to step one million costs as much as starting.

The permutation is a balanced Feistel network (Luby and Rackoff, 1988) over the smallest square power of two
that holds all rows, with cycle walking (Black and Rogaway, 2002) back into the range.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from prepcore.mixture.interleaving import Interleaving
from trainer.ramp import StepSizes, step_sizes

# Four rounds of a pseudo-random round function make a strong pseudo-random permutation (Luby and Rackoff).
ROUNDS = 4

Indices = NDArray[np.int64]
Words = NDArray[np.uint64]


def mix(words: Words) -> Words:
    """Scramble 64-bit words with the finaliser of SplitMix64 (Steele, Lea and Flood, 2014)."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def round_keys(seed: int, epoch: int) -> Words:
    """Derive one key a round from the seed and the epoch."""
    counter = np.arange(1, ROUNDS + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    seeded = mix(np.full(ROUNDS, seed % 2**64, dtype=np.uint64) + counter)
    return mix(seeded ^ np.uint64(epoch))


class KeyedPermutation:
    """A bijection of ``range(size)`` chosen by a seed and an epoch.

    Parameters
    ----------
    size
        Number of elements, at least 1.
    seed, epoch
        Together the key: any two epochs have unrelated orders.
    """

    def __init__(self, size: int, seed: int, epoch: int) -> None:
        if size < 1:
            raise ValueError(f"a permutation needs at least one element, got {size}")
        self.size = size
        self.keys = round_keys(seed, epoch)
        self.half_bits = np.uint64(max(1, ((size - 1).bit_length() + 1) // 2))
        self.half_mask = (np.uint64(1) << self.half_bits) - np.uint64(1)

    def __call__(self, places: Indices) -> Indices:
        """Return the element at each place; ``places`` lie in ``[0, size)``, any shape."""
        words = self._encrypt(places.astype(np.uint64))
        # The network permutes at most four times `size` values, so a walk takes four steps on average.
        while (outside := words >= self.size).any():
            words[outside] = self._encrypt(words[outside])
        return words.astype(np.int64)

    def _encrypt(self, words: Words) -> Words:
        left, right = words >> self.half_bits, words & self.half_mask
        for key in self.keys:
            left, right = right, left ^ (mix(right ^ key) & self.half_mask)
        return (left << self.half_bits) | right


class RowOrder:
    """The rows of some data, epoch after epoch without end.

    Each epoch visits every row exactly once, in an order of its own.

    Parameters
    ----------
    rows
        Rows in the data, at least 1.
    seed
        With the number of the epoch, the key of its order.
    """

    def __init__(self, rows: int, seed: int) -> None:
        self.rows = rows
        self.seed = seed
        self._permutations: dict[int, KeyedPermutation] = {}

    def __call__(self, places: Indices) -> Indices:
        """Return the row at each place, counted on over the epochs; any shape."""
        epochs, inner = np.divmod(places, self.rows)
        chosen = np.empty_like(inner)
        for epoch in np.unique(epochs):
            inside = epochs == epoch
            chosen[inside] = self._permutation(int(epoch))(inner[inside])
        return chosen

    def _permutation(self, epoch: int) -> KeyedPermutation:
        if epoch not in self._permutations:
            self._permutations[epoch] = KeyedPermutation(self.rows, self.seed, epoch)
            # A step touches its own epoch and perhaps the next; older ones never come back.
            self._permutations.pop(epoch - 2, None)
        return self._permutations[epoch]


class Order(Protocol):
    """The rows of every optimizer step."""

    def rows_of_step(self, step: int) -> Indices:
        """Return the row numbers of a step (counted from 0), shape ``(rows of the step,)``."""


class StepOrder:
    """The rows of every optimizer step.

    Steps follow each other over the epochs without a gap: a step that reaches the end of one epoch takes its
    remaining rows from the next, so each epoch visits every row exactly once and no row is left over.

    Parameters
    ----------
    rows
        Rows in the data.
    rows_per_step
        Rows in one optimizer step, the same in all or a ramp; cutting a step into micro-batches never changes
        which rows they are.
    seed
        The seed of the run.
    """

    def __init__(self, rows: int, rows_per_step: int | StepSizes, seed: int) -> None:
        self.sizes = step_sizes(rows_per_step)
        self._order = RowOrder(rows, seed)

    def rows_of_step(self, step: int) -> Indices:
        """Return the row numbers of a step (counted from 0), shape ``(rows of the step,)``."""
        first = self.sizes.before(step)
        return self._order(np.arange(first, first + self.sizes.rows(step), dtype=np.int64))


class MixedOrder:
    """The rows of every optimizer step of a mixture.

    Whose row stands at a place is said by the weights alone (`prepcore.mixture.interleaving`), and which row
    of a source it is by the seed: a source is gone through wholly before one of its rows comes again.

    Parameters
    ----------
    rows
        Rows of each source; they are numbered one source after the other.
    weights
        Of each source.
    rows_per_step
        Rows in one optimizer step, the same in all or a ramp; cutting a step into micro-batches never changes
        which rows they are.
    seed
        The seed of the run.
    """

    def __init__(
        self, rows: Sequence[int], weights: Sequence[int], rows_per_step: int | StepSizes, seed: int
    ) -> None:
        self.sizes = step_sizes(rows_per_step)
        self.interleaving = Interleaving(weights)
        # Asked by the thread that reads ahead and by the one that trains.
        self._lock = threading.Lock()
        self._starts = np.cumsum([0, *rows])
        # Seeds of their own, so that sources of one size are not in one order. The first has that of the run:
        # a mixture of one folder is the same training as that folder.
        numbers = np.arange(len(rows), dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        keys = np.uint64(seed % 2**64) ^ mix(numbers)
        self._orders = [RowOrder(count, int(key)) for count, key in zip(rows, keys, strict=True)]

    def rows_of_step(self, step: int) -> Indices:
        """Return the row numbers of a step (counted from 0), shape ``(rows of the step,)``."""
        count = self.sizes.rows(step)
        with self._lock:
            before, taken = self.interleaving.sources(self.sizes.before(step), count)
        sources = np.array(taken)
        chosen = np.empty(count, dtype=np.int64)
        for source in np.unique(sources):
            inside = sources == source
            places = before[source] + np.arange(np.count_nonzero(inside), dtype=np.int64)
            chosen[inside] = self._starts[source] + self._orders[source](places)
        return chosen

    def counts(self, step: int) -> tuple[int, ...]:
        """Return how many rows of each source were taken before a step."""
        with self._lock:
            return self.interleaving.counts(self.sizes.before(step))
