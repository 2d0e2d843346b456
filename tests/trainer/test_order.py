from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.order import KeyedPermutation, StepOrder


@given(size=st.integers(1, 3000), seed=st.integers(0, 2**64 - 1), epoch=st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_every_element_comes_exactly_once(size: int, seed: int, epoch: int) -> None:
    order = KeyedPermutation(size, seed, epoch)(np.arange(size))
    assert np.array_equal(np.sort(order), np.arange(size))


def test_a_place_far_away_needs_no_list() -> None:
    permutation = KeyedPermutation(10**15, seed=1, epoch=0)
    places = np.array([0, 1, 10**15 - 1])
    assert len(set(permutation(places).tolist())) == 3
    assert permutation(places).max() < 10**15


def test_neighbours_are_scattered_and_epochs_differ() -> None:
    first, second = (KeyedPermutation(1000, 0, epoch)(np.arange(1000)) for epoch in (0, 1))
    assert abs(np.corrcoef(first, np.arange(1000))[0, 1]) < 0.1
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.1


@given(
    rows=st.integers(1, 60),
    rows_per_step=st.integers(1, 25),
    seed=st.integers(0, 99),
    steps=st.integers(1, 40),
)
@settings(max_examples=60, deadline=None)
def test_steps_cover_each_epoch_without_a_gap(rows: int, rows_per_step: int, seed: int, steps: int) -> None:
    order = StepOrder(rows, rows_per_step, seed)
    visited = np.concatenate([order.rows_of_step(step) for step in range(steps)])
    whole = len(visited) // rows
    for epoch in visited[: whole * rows].reshape(whole, rows):
        assert np.array_equal(np.sort(epoch), np.arange(rows))
    # A fresh object asked for one step alone answers the same: no state, no history.
    assert np.array_equal(
        StepOrder(rows, rows_per_step, seed).rows_of_step(steps - 1), visited[-rows_per_step:]
    )
