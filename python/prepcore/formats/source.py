"""What a conversion reads: batches of token ids, and what is known of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prepcore.arguments import UsageError

BATCH_IDS = 1 << 22
"""Ids of a batch, unless one document alone has more: 32 MiB as int64."""


class Batch(NamedTuple):
    """Consecutive documents, or rows without borders."""

    ids: NDArray[Any]
    """Their ids, one after the other."""

    lengths: NDArray[np.int64] | None
    """Tokens of each document; None for rows that have lost their borders."""


@dataclass
class Largest:
    """The largest id that was met, and where.

    Attributes
    ----------
    id
        The id; -1 before the first.
    file
        File that holds it, relative to what is read.
    row
        Row or document of that file.
    """

    id: int = -1
    file: str = ""
    row: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return it as manifests have it."""
        return {"id": self.id, "file": self.file, "row": self.row}


@dataclass
class Source:
    """Tokens of other people.

    Attributes
    ----------
    path
        The file or folder.
    kind
        What it is, in words.
    splits
        By name, ``train`` first: what gives the batches. They may be asked for once more.
    dtype
        Name of the type that ids have on disk in a token folder, unless a tokenizer says otherwise.
    largest
        Filled while the batches are read.
    tokenizer
        The tokenizer that came with it, or None.
    special
        What stands around documents, as a manifest has it; None where nothing says so.
    sequence_length
        Length of its rows, where it has rows; may be known only when a batch was read.
    text_bytes
        From the name of a split and its number of tokens to the bytes of its text; 0 where not known.
    files
        Which files these are, for whoever asks whether they changed.
    """

    path: Path
    kind: str
    splits: Mapping[str, Callable[[], Iterator[Batch]]]
    dtype: str = "uint32"
    largest: Largest = field(default_factory=Largest)
    tokenizer: Path | None = None
    special: Mapping[str, Any] | None = None
    sequence_length: Callable[[], int | None] = lambda: None
    text_bytes: Callable[[str, int], int] = lambda split, tokens: 0
    files: list[dict[str, Any]] = field(default_factory=list)


def check_largest(path: Path, largest: Mapping[str, Any], size: int, whose: str) -> None:
    """Refuse data with ids beyond a vocabulary of ``size`` ids, which ``whose`` names.

    Raises
    ------
    UsageError
        Naming the row of the largest id.
    """
    if largest["id"] >= size:
        raise UsageError(
            f"{path}: row {largest['row']:,} of {largest['file']} has the id {largest['id']:,}, wanted less "
            f"than {size:,}, the ids of {whose}",
            hint="give the tokenizer that the rows were made with, and a vocabulary as large",
        )
