"""The order of a mixture's sources: within one row of every share at every moment, from any place."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prepcore.mixture import interleaving
from prepcore.mixture.interleaving import Interleaving


def check_shares(order: Interleaving, first: int, rows: int) -> None:
    """Hold the order to its promise after each of some rows, in whole numbers.

    A source that has no row at a place is furthest behind just before its next one, so the two ends of each
    wait are all that has to be looked at.
    """
    before, sources = order.sources(first, rows)
    assert sum(before) == first
    counts = list(before)

    def check(source: int, place: int) -> None:
        off = counts[source] * order.lap - place * order.weights[source]
        assert abs(off) < order.lap, (order.weights[source], order.lap, place, counts[source])

    for place, source in enumerate(sources, first):
        check(source, place)
        counts[source] += 1
        check(source, place + 1)
    for source in range(len(counts)):
        check(source, first + rows)
    assert tuple(counts) == order.counts(first + rows)


WEIGHTS = st.one_of(
    st.lists(st.integers(1, 12), min_size=1, max_size=8),
    st.lists(st.integers(1, 10**6), min_size=2, max_size=200),
    # One large source and many of a millionth or so of it.
    st.lists(st.integers(1, 3), min_size=1, max_size=199).map(lambda small: [10**6, *small]),
    st.lists(st.sampled_from([1, 10**3, 10**6, 10**18, 10**18 + 1]), min_size=1, max_size=60),
)


@given(weights=WEIGHTS, first=st.integers(0, 3000), rows=st.integers(1, 3000))
@settings(max_examples=150, deadline=None)
def test_each_source_is_within_one_row_of_its_share(weights: list[int], first: int, rows: int) -> None:
    check_shares(Interleaving(weights), 0, first + rows)
    check_shares(Interleaving(weights), first, rows)


@pytest.mark.parametrize("seed", range(3))
def test_two_hundred_sources_over_a_whole_lap(seed: int) -> None:
    drawn = random.Random(seed)
    weights = [round(10 ** drawn.uniform(0, 4)) for _ in range(200)]
    order = Interleaving(weights)
    check_shares(order, 0, order.lap + 500)
    assert order.counts(3 * order.lap) == tuple(3 * weight for weight in order.weights)


def test_a_share_of_a_millionth_comes_once_in_a_million_rows() -> None:
    order = Interleaving([999_998, 1, 1])
    _, sources = order.sources(0, order.lap)
    assert Counter(sources) == {0: 999_998, 1: 1, 2: 1}
    check_shares(order, order.lap - 1000, 2000)


@given(
    weights=WEIGHTS, places=st.lists(st.integers(0, 5000), min_size=1, max_size=6), count=st.integers(0, 50)
)
@settings(max_examples=60, deadline=None)
def test_a_place_has_one_source_whatever_was_asked_before(
    weights: list[int], places: list[int], count: int
) -> None:
    whole = Interleaving(weights).sources(0, 5050)[1]
    asked = Interleaving(weights)
    for place in places:
        before, sources = asked.sources(place, count)
        assert sources == whole[place : place + count]
        assert list(before) == [whole[:place].count(source) for source in range(len(weights))]
        assert asked.counts(place) == before


def test_far_away_places_are_reached_from_the_start_of_their_lap() -> None:
    order = Interleaving([7, 2, 1])
    assert order.sources(10**15, 20)[1] == order.sources(0, 20)[1]
    assert order.counts(10**15 + 10) == (7 * (10**14 + 1), 2 * (10**14 + 1), 10**14 + 1)


def test_counts_are_all_there_is_to_know(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = [10**9 + 7, 3 * 10**8, 12_345]
    whole = Interleaving(weights)
    before, wanted = whole.sources(150_000, 400)
    told = Interleaving(weights)
    assert told.know(before)
    walked: list[int] = []
    real = Interleaving._advance
    monkeypatch.setattr(
        Interleaving, "_advance", lambda self, walk, count: walked.append(count) or real(self, walk, count)
    )
    assert told.sources(150_000, 400) == (before, wanted)
    assert sum(walked) == 400
    # Strides that were passed are not walked again.
    walked.clear()
    whole.sources(interleaving.STRIDE + 5, 1)
    assert sum(walked) == 6


def test_counts_that_are_none_of_the_order_are_left_aside() -> None:
    order = Interleaving([3, 1])
    assert not order.know([1, 3])
    assert not order.know([4])
    assert order.sources(4, 4)[1] == Interleaving([3, 1]).sources(4, 4)[1]


def test_rows_of_a_source_are_spread() -> None:
    _, sources = Interleaving([1, 9]).sources(0, 1000)
    rare = [place for place, source in enumerate(sources) if source == 0]
    assert bisect_left(rare, 500) == 50
    gaps = [later - earlier for earlier, later in pairwise(rare)]
    assert max(gaps) <= 19


@pytest.mark.parametrize("weights", [[], [1, 0], [3, -1]])
def test_weights_that_make_no_order(weights: list[int]) -> None:
    with pytest.raises(ValueError, match="wanted whole numbers of at least 1"):
        Interleaving(weights)
