"""Reading ahead: a thread keeps a few batches ready while the device computes."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

Batch = dict[str, Tensor]

AHEAD = 2
"""Batches that are ready at most: one that is being copied to the device, and the next."""


class Prefetched:
    """The items of a dataset in a given order, read ahead by a thread.

    A thread is enough, as rows are copied out of memory maps by code that lets go of Python's lock; it sees
    the same maps, so nothing is started, copied or sent. It ends with the iteration, however that ends, and
    an error in it is raised in the iteration, at the batch that has it. On CUDA machines batches lie in
    pinned memory, from which a copy to the device runs beside its work.

    Parameters
    ----------
    items
        What to read.
    indices
        Which of them, in order.
    ahead
        Batches that are ready at most; the memory this takes.
    """

    def __init__(self, items: Dataset[Batch], indices: Sequence[int], ahead: int = AHEAD) -> None:
        self.items = items
        self.indices = indices
        self.ahead = ahead

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches."""
        ready: queue.Queue[Batch | BaseException | None] = queue.Queue(self.ahead)
        stopped = threading.Event()
        thread = threading.Thread(target=self._read, args=(ready, stopped), name="read-ahead", daemon=True)
        thread.start()
        try:
            while (batch := ready.get()) is not None:
                if isinstance(batch, BaseException):
                    raise batch
                yield batch
        finally:
            stopped.set()
            # Whatever the thread waits to put has room now; it puts nothing more.
            with contextlib.suppress(queue.Empty):
                while True:
                    ready.get_nowait()
            thread.join()

    def _read(self, ready: queue.Queue[Any], stopped: threading.Event) -> None:
        pins = torch.cuda.is_available()
        last: BaseException | None = None
        try:
            for index in self.indices:
                batch = self.items[index]
                if pins:
                    batch = {name: ids.pin_memory() for name, ids in batch.items()}
                if stopped.is_set():
                    return
                ready.put(batch)
        except BaseException as error:
            last = error
        if not stopped.is_set():
            ready.put(last)
