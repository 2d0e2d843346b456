"""Reading ahead: the same batches in the same order, bounded, and nothing left behind."""

from __future__ import annotations

import threading
import time

import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset

from trainer.loader import Prefetched


class Numbers(Dataset[dict[str, Tensor]]):
    """Batches that say their number; remembers which were asked for."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.asked: list[int] = []
        self.fails_at = fails_at

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        self.asked.append(index)
        if index == self.fails_at:
            raise OSError(f"row {index} is gone")
        return {"input_ids": torch.tensor([index])}


def readers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "read-ahead"]


@pytest.mark.parametrize("ahead", [1, 2, 5])
def test_batches_come_in_their_order(ahead: int) -> None:
    order = [7, 3, 3, 9, *range(50)]
    batches = [int(batch["input_ids"]) for batch in Prefetched(Numbers(), order, ahead)]
    assert batches == order
    assert not readers()


@pytest.mark.parametrize("ahead", [1, 2])
@pytest.mark.parametrize("taken", [0, 1, 4])
def test_whoever_stops_early_leaves_no_thread(ahead: int, taken: int) -> None:
    items = Numbers()
    iterator = iter(Prefetched(items, range(1_000_000), ahead))
    for wanted in range(taken):
        assert int(next(iterator)["input_ids"]) == wanted
    iterator.close()  # type: ignore[attr-defined]
    assert not readers()
    # Those taken, those that were ready, one in hand, and one that waited to be put.
    assert len(items.asked) <= taken + ahead + 2


def test_it_reads_no_further_than_it_may() -> None:
    items = Numbers()
    iterator = iter(Prefetched(items, range(100), 2))
    next(iterator)
    time.sleep(0.2)
    assert len(items.asked) <= 4  # one taken, two ready, one that waits to be put
    iterator.close()  # type: ignore[attr-defined]


def test_an_error_comes_at_its_batch() -> None:
    iterator = iter(Prefetched(Numbers(fails_at=5), range(9)))
    assert [int(next(iterator)["input_ids"]) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(OSError, match="row 5 is gone"):
        next(iterator)
    assert not readers()
