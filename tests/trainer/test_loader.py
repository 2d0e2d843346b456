"""Reading ahead: the same batches in the same order, bounded, and nothing left behind."""

from __future__ import annotations

import json
import resource
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset

from tests.trainer.folders import write_token_folder
from trainer.data import PackedTokens
from trainer.loader import Prefetched

before: set[threading.Thread] = set()


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


def readers() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "read-ahead"} - before


@pytest.fixture(autouse=True)
def _only_those_of_this_test() -> None:
    """Leave out readers of runs that failed in another test: they end with the error, which pytest holds."""
    before.clear()
    before.update(readers())


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


TRILLION = 10**12
LENGTH = 2048


def test_any_step_of_a_trillion_tokens_is_found_in_little_memory(tmp_path: Path) -> None:
    """A file with a hole of 2 TB: what is asked for is read, and nothing else is remembered."""
    folder = write_token_folder(tmp_path / "tokens", [[[1, 2]]], length=LENGTH)
    manifest = json.loads((folder / "manifest.json").read_text())
    rows = TRILLION // LENGTH
    # Eleven rows of the last step say which they are; the others are zeros.
    with (folder / "tokens-00000.ds").open("r+b") as file:
        file.truncate(2 * TRILLION)
    np.array([TRILLION], dtype="<u8").tofile(folder / "tokens-00000.ds.index")
    manifest["files"][0] |= {"tokens": TRILLION, "bytes": 3 * TRILLION}
    manifest |= {
        "tokens": TRILLION,
        "rows": rows,
        "left_over": {"tail": TRILLION % LENGTH},
        "bytes": 3 * TRILLION,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    data = PackedTokens(folder, micro=11, seed=3)
    assert data.total_steps == rows // 11
    chosen = data.order.rows_of_step(data.total_steps - 1)
    assert len(set(chosen.tolist())) == 11
    assert 0 <= chosen.min() <= chosen.max() < rows
    with (folder / "tokens-00000.ds").open("r+b") as file:
        for number, row in enumerate(chosen.tolist()):
            file.seek(2 * row * LENGTH)
            file.write(np.full(LENGTH, number + 3, dtype="<u2").tobytes())
    data.first_step = data.total_steps - 1
    [batch] = data.train_dataloader()
    assert batch["input_ids"].shape == (1, 11, LENGTH)
    assert batch["input_ids"][0, :, 0].tolist() == list(range(3, 14))
    assert (batch["input_ids"] == batch["input_ids"][:, :, :1]).all()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown * (1 if sys.platform == "darwin" else 1024) < 64 << 20
