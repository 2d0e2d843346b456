"""Batches of packed rows, one item an optimizer step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytorch_lightning as lightning
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from prepcore.tokens.split import TokenSplit
from trainer.loss import IGNORED
from trainer.order import StepOrder
from trainer.tokens import TokenFolder

Batch = dict[str, Tensor]


class Steps(Dataset[Batch]):
    """The optimizer steps of a run: item ``k`` holds every row of step ``k``, cut into micro-batches.

    Parameters
    ----------
    split
        Where the rows lie.
    order
        Which rows make a step.
    length
        Tokens in a row.
    micro_batches
        Micro-batches in a step; must divide ``order.rows_per_step``.
    isolate
        Whether to tell the documents of a row apart (adds ``position_ids``).
    """

    def __init__(
        self, split: TokenSplit, order: StepOrder, *, length: int, micro_batches: int, isolate: bool
    ) -> None:
        self.split = split
        self.order = order
        self.length = length
        self.micro_batches = micro_batches
        self.isolate = isolate

    def __getitem__(self, step: int) -> Batch:
        """Return ``input_ids`` (and as needed ``position_ids``, ``labels``).

        Each has shape ``(micro-batches, rows, length)``, int64; there are labels where rows may be padded.
        """
        batch = _rows(self.split, self.order.rows_of_step(step), self.length, isolate=self.isolate)
        return {name: ids.unflatten(0, (self.micro_batches, -1)) for name, ids in batch.items()}


class Rows(Dataset[Batch]):
    """Every row of a split in file order, a micro-batch an item; the last one may be smaller."""

    def __init__(self, split: TokenSplit, *, length: int, micro: int, isolate: bool) -> None:
        self.split = split
        self.length = length
        self.micro = micro
        self.isolate = isolate

    def __len__(self) -> int:
        return -(-self.split.rows(self.length) // self.micro)

    def __getitem__(self, index: int) -> Batch:
        """Return ``input_ids`` (and as needed ``position_ids``, ``labels``), shape ``(rows, length)``."""
        first = index * self.micro
        last = min(first + self.micro, self.split.rows(self.length))
        return _rows(self.split, np.arange(first, last), self.length, isolate=self.isolate)


class PackedTokens(lightning.LightningDataModule):
    """A token folder as Lightning wants it.

    The rows of step ``k`` are a pure function of the seed and ``k``: a run that continues sets
    :attr:`first_step` and nothing is read to be skipped. Rows come from memory maps in the training process
    itself; a worker process would cost more than the copy it saves.

    Parameters
    ----------
    folder
        The open token folder.
    length
        Tokens in a row.
    micro
        Rows in a micro-batch.
    rows_per_step
        Rows in an optimizer step, a multiple of ``micro``.
    total_steps
        Optimizer steps of the whole run.
    seed
        Chooses the order.
    isolate
        Whether documents that share a row are hidden from each other.
    """

    def __init__(
        self,
        folder: TokenFolder,
        *,
        length: int,
        micro: int,
        rows_per_step: int,
        total_steps: int,
        seed: int,
        isolate: bool,
    ) -> None:
        super().__init__()
        self.folder = folder
        self.length = length
        self.micro = micro
        self.rows_per_step = rows_per_step
        self.total_steps = total_steps
        self.seed = seed
        self.isolate = isolate
        self.first_step = 0

    def train_dataloader(self) -> DataLoader[Batch]:
        """Give the steps from :attr:`first_step` to the end of the run."""
        order = StepOrder(self.folder.train.rows(self.length), self.rows_per_step, self.seed)
        steps = Steps(
            self.folder.train,
            order,
            length=self.length,
            micro_batches=self.rows_per_step // self.micro,
            isolate=self.isolate,
        )
        return self._loader(steps, range(self.first_step, self.total_steps))

    def val_dataloader(self) -> DataLoader[Batch] | list[Any]:
        """Give the rows held out, or nothing when the folder has none."""
        if self.folder.validation is None:
            return []
        rows = Rows(self.folder.validation, length=self.length, micro=self.micro, isolate=self.isolate)
        return self._loader(rows, range(len(rows)))

    def _loader(self, items: Dataset[Batch], indices: range) -> DataLoader[Batch]:
        return DataLoader(
            items,
            batch_size=None,
            sampler=indices,
            pin_memory=torch.cuda.is_available(),
            # A loader draws a seed for workers when it is iterated; from a generator of its own, so that a
            # run that validates more often does not have another dropout.
            generator=torch.Generator(),
        )


def _rows(
    split: TokenSplit, rows: np.ndarray[Any, np.dtype[np.int64]], length: int, *, isolate: bool
) -> Batch:
    ids = torch.from_numpy(split.read(rows, length))
    batch = {"input_ids": ids}
    if isolate:
        batch["position_ids"] = torch.from_numpy(split.positions(rows, length))
    mask = split.mask(rows, length)
    if mask is not None:
        # Padding is not to be learned.
        batch["labels"] = ids.masked_fill(~torch.from_numpy(mask), IGNORED)
    return batch
