"""Batches of packed rows, one item an optimizer step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as lightning
import torch
from torch import Tensor
from torch.utils.data import Dataset

from trainer.config import DataConfig
from trainer.loader import Prefetched
from trainer.loss import IGNORED
from trainer.mixture import Mixture
from trainer.order import MixedOrder, Order, StepOrder
from trainer.ramp import StepSizes, step_sizes
from trainer.resolve import check_rows, rows_of_a_pass
from trainer.rows import open_data
from trainer.split import Split
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
    micro
        Rows in a micro-batch; divides the rows of every step. None: a step is one micro-batch.
    isolate
        Whether to tell the documents of a row apart (adds ``position_ids``).
    share
        Which of several processes this is, and how many there are.
    """

    def __init__(
        self,
        split: Split,
        order: Order,
        *,
        length: int,
        micro: int | None,
        isolate: bool,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        self.split = split
        self.order = order
        self.length = length
        self.micro = micro
        self.isolate = isolate
        self.share = share

    def __getitem__(self, step: int) -> Batch:
        """Return ``input_ids`` (and as needed ``position_ids``, ``labels``).

        Each has shape ``(micro-batches, rows, length)``, int64; there are labels where rows may be padded.
        Of several processes each has every so many-th micro-batch, and all have as many: in a step that is
        not shared alike, the last of some has no targets.
        """
        rows = self.order.rows_of_step(step)
        micro = self.micro or len(rows)
        process, processes = self.share
        micro_batches = rows.reshape(-1, micro)
        own = micro_batches[process::processes]
        uneven = len(micro_batches) % processes
        empty = uneven > 0 and process >= uneven
        if empty:
            own = np.concatenate([own, micro_batches[:1]])
        batch = _rows(self.split, own.reshape(-1), self.length, isolate=self.isolate)
        batch = {name: ids.unflatten(0, (-1, micro)) for name, ids in batch.items()}
        if empty:
            labels = batch.get("labels", batch["input_ids"]).clone()
            labels[-1] = IGNORED
            batch["labels"] = labels
        return batch


class Rows(Dataset[Batch]):
    """Every row of a split in file order, a micro-batch an item; the last one may be smaller."""

    def __init__(self, split: Split, *, length: int, micro: int, isolate: bool) -> None:
        self.split = split
        self.length = length
        self.micro = micro
        self.isolate = isolate

    def __len__(self) -> int:
        return -(-self.split.rows(self.length) // self.micro)

    def __getitem__(self, index: int) -> Batch:
        """Return ``input_ids`` (and as needed ``position_ids``, ``labels``), shape ``(rows, length)``.

        Beyond the last micro-batch there are some without targets, for processes that have nothing left.
        """
        if index >= len(self):
            some = self[0]
            return {**some, "labels": torch.full_like(some["input_ids"], IGNORED)}
        first = index * self.micro
        last = min(first + self.micro, self.split.rows(self.length))
        return _rows(self.split, np.arange(first, last), self.length, isolate=self.isolate)


class PackedTokens(lightning.LightningDataModule):
    """A token folder, or a mixture of several, as Lightning wants it.

    The rows of step ``k`` are a pure function of the seed and ``k``: a run that continues sets
    :attr:`first_step` and nothing is read to be skipped. The order of a mixture is counted on from a place
    that is known, so a checkpoint holds how many rows of each source were taken. Rows come from memory maps,
    read ahead by a thread of the training process (`trainer.loader`).

    Several processes share the micro-batches of each step and of each validation, so that a step has the same
    rows whatever their number.

    An item of the training loader is an optimizer step: ``input_ids`` and as needed ``position_ids`` and
    ``labels``, each of shape ``(micro-batches, rows, length)``. An item of a validation loader is one
    micro-batch, ``(rows, length)``. One epoch of Lightning's is the whole run.

    Parameters
    ----------
    folder
        The open token folder, or what `prepcore pack` or `prepcore mix` wrote.
    length
        Tokens in a row; None: what the folder was packed for.
    micro
        Rows in a micro-batch.
    rows_per_step
        Rows in an optimizer step, the same in all or a ramp, multiples of ``micro``; None: one micro-batch.
    total_steps
        Optimizer steps of the whole run; None: one pass over the data.
    seed
        Chooses the order.
    isolate
        Whether documents that share a row are hidden from each other, where their borders are known.
    validation_limit
        Micro-batches of each source that are validated on; None: all.

    Raises
    ------
    UsageError
        When the data is not what it should be, or has not one row.
    ValueError
        When a step is not a whole number of micro-batches.
    """

    def __init__(
        self,
        folder: TokenFolder | Path | str,
        *,
        length: int | None = None,
        micro: int = 8,
        rows_per_step: int | StepSizes | None = None,
        total_steps: int | None = None,
        seed: int = 0,
        isolate: bool = True,
        validation_limit: int | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(folder, TokenFolder):
            folder = open_data(DataConfig(path=str(folder)), lambda line: None)
        self.folder = folder
        self.length = length or folder.sequence_length
        self.micro = micro
        self.sizes = step_sizes(micro if rows_per_step is None else rows_per_step)
        for rows in self.sizes.all_sizes:
            if rows < 1 or rows % micro:
                raise ValueError(
                    f"rows_per_step is {rows}, wanted a multiple of the {micro} rows of a micro-batch"
                )
        check_rows(folder, self.length)
        self.total_steps = total_steps or max(1, self.sizes.whole_steps(rows_of_a_pass(folder, self.length)))
        self.seed = seed
        self.isolate = isolate and folder.borders
        self.validation_limit = validation_limit
        self.first_step = 0
        self.order = self._order()

    @property
    def validation_shares(self) -> tuple[float, ...]:
        """Share of each source in the validation loss, as the module wants it: a folder is one source."""
        if isinstance(self.folder, Mixture) and self.folder.validation is not None:
            return self.folder.validation.shares
        return (1.0,)

    @property
    def rows_per_step(self) -> int:
        """Rows in an optimizer step, when a ramp is over."""
        return self.sizes.full

    def _order(self) -> StepOrder | MixedOrder:
        if isinstance(self.folder, Mixture):
            rows = [part.rows(self.length) for part in self.folder.train.parts]
            return MixedOrder(rows, self.folder.recipe.weights, self.sizes, self.seed)
        return StepOrder(self.folder.train.rows(self.length), self.sizes, self.seed)

    def rows_of_sources(self, step: int) -> tuple[int, ...]:
        """Return how many rows of each source were taken before a step; of a folder, all of them."""
        if isinstance(self.order, StepOrder):
            return (self.order.sizes.before(step),)
        return self.order.counts(step)

    def state_dict(self) -> dict[str, Any]:
        """Return how many rows of each source were taken; nothing for a folder."""
        if isinstance(self.order, StepOrder) or self.trainer is None:
            return {}
        rows = self.rows_of_sources(self.trainer.global_step)
        return {"weights": list(self.order.interleaving.weights), "rows": list(rows)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the rows of each source as a place to count on from, unless the mixture is another by now."""
        if isinstance(self.order, StepOrder):
            return
        interleaving = self.order.interleaving
        if tuple(state_dict["weights"]) == interleaving.weights:
            interleaving.know(state_dict["rows"])

    def train_dataloader(self) -> Prefetched:
        """Give the steps from :attr:`first_step` to the end of the run."""
        steps = Steps(
            self.folder.train,
            self.order,
            length=self.length,
            micro=self.micro,
            isolate=self.isolate,
            share=self._share(),
        )
        return Prefetched(steps, range(self.first_step, self.total_steps))

    def val_dataloader(self) -> list[Prefetched]:
        """Give the rows held out, those of each source apart; nothing when there are none."""
        process, processes = self._share()
        loaders = []
        for split in validation_parts(self.folder):
            rows = Rows(split, length=self.length, micro=self.micro, isolate=self.isolate)
            count = min(len(rows), self.validation_limit or len(rows))
            # All processes have as many; one of those that end early is without targets.
            numbers = range(process, -(-count // processes) * processes, processes)
            own = [number if number < count else len(rows) for number in numbers]
            loaders.append(Prefetched(rows, own))
        return loaders

    def _share(self) -> tuple[int, int]:
        """Return which of the trainer's processes this is, and how many there are."""
        return (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)


def validation_parts(folder: TokenFolder) -> tuple[Split, ...]:
    """Return what is validated on, a part for each source that holds something out."""
    if isinstance(folder, Mixture):
        return folder.validation.parts if folder.validation else ()
    return (folder.validation,) if folder.validation else ()


def _rows(split: Split, rows: np.ndarray[Any, np.dtype[np.int64]], length: int, *, isolate: bool) -> Batch:
    ids = torch.from_numpy(split.read(rows, length))
    batch = {"input_ids": ids}
    if isolate:
        batch["position_ids"] = torch.from_numpy(split.positions(rows, length))
    mask = split.mask(rows, length)
    if mask is not None:
        # Padding is not to be learned.
        batch["labels"] = ids.masked_fill(~torch.from_numpy(mask), IGNORED)
    return batch
