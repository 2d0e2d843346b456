"""Rows of one length over a split: cut from the sequence of tokens, or as a row index places them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prepcore.arguments import UsageError
from prepcore.tokens.files import AGAIN, Ids
from prepcore.tokens.row_index import RowIndex

if TYPE_CHECKING:
    from prepcore.tokens.split import TokenSplit


@dataclass(frozen=True)
class Piece:
    """Consecutive tokens of one document within a row.

    Attributes
    ----------
    document
        Number of the document within its split.
    offset
        Where the piece begins in the document, in tokens.
    length
        Tokens of the piece.
    begin
        Where the piece begins in the row, in tokens.
    """

    document: int
    offset: int
    length: int
    begin: int


class Rows(ABC):
    """Rows of one length, read when they are asked for: ``rows[7]``, ``rows[:100]``, ``len(rows)``.

    Parameters
    ----------
    split
        Where the tokens lie.
    length
        Tokens in a row, padding included.
    """

    is_padded = False
    """Whether a row may end in padding."""

    def __init__(self, split: TokenSplit, length: int) -> None:
        if length < 1:
            raise UsageError(f"a row of {length} tokens was asked for", "wanted a length of at least 1")
        self.split = split
        self.length = length

    @abstractmethod
    def __len__(self) -> int: ...

    @property
    def padding(self) -> int:
        """Tokens of padding in all rows."""
        return 0

    @abstractmethod
    def read(self, rows: ArrayLike) -> Ids:
        """Return the ids of some rows, int64 of shape ``(len(rows), length)``; padding has `padding_id`."""

    @abstractmethod
    def positions(self, rows: ArrayLike) -> Ids:
        """Return each token's place, int64 of shape ``(len(rows), length)``.

        Places count from zero where a document, what a row holds of one, or the padding begins.
        """

    @abstractmethod
    def mask(self, rows: ArrayLike) -> NDArray[np.bool_]:
        """Say where tokens stand and not padding, shape ``(len(rows), length)``."""

    @abstractmethod
    def pieces(self, row: int) -> list[Piece]:
        """Return what a row is made of, in order; documents without tokens are no piece of any row."""

    @overload
    def __getitem__(self, row: int) -> NDArray[Any]: ...
    @overload
    def __getitem__(self, row: slice) -> NDArray[Any]: ...
    def __getitem__(self, row: int | slice) -> NDArray[Any]:
        if isinstance(row, slice):
            return self.read(np.arange(len(self))[row])
        ids: NDArray[Any] = self.read(np.array([self.checked(row)]))[0]
        return ids

    def checked(self, row: int) -> int:
        """Return the number of a row, counted from the end where it is negative.

        Raises
        ------
        UsageError
            When there is no such row. It is an ``IndexError``, too, by which a loop over rows ends.
        """
        number = row + len(self) if row < 0 else row
        if not 0 <= number < len(self):
            raise NoSuchRowError(
                f"{self.split.name} has {len(self):,} rows of {self.length:,} tokens, and row {row:,} is "
                "not one of them",
                "rows count from 0",
            )
        return int(number)


class NoSuchRowError(UsageError, IndexError):
    """A row beyond the last."""


class ConcatenatedRows(Rows):
    """The sequence of all tokens cut every ``length``; a rest shorter than that is in no row."""

    def __len__(self) -> int:
        return self.split.tokens // self.length

    def read(self, rows: ArrayLike) -> Ids:
        """Return the ids of some rows, shape ``(len(rows), length)``."""
        numbers = np.asarray(rows, dtype=np.int64)
        ids = np.empty((len(numbers), self.length), dtype=np.int64)
        for target, row in zip(ids, numbers.tolist(), strict=True):
            for number, begin, end, offset in self.split.cut(row * self.length, self.length):
                target[offset : offset + end - begin] = self.split.files[number].tokens[begin:end]
        return ids

    def positions(self, rows: ArrayLike) -> Ids:
        """Return each token's place, shape ``(len(rows), length)``."""
        begins = np.asarray(rows, dtype=np.int64) * self.length
        starts = np.zeros((len(begins), self.length), dtype=np.int64)
        file_starts = self.split.file_starts
        files = np.searchsorted(file_starts, begins, side="right") - 1
        whole = begins + self.length <= file_starts[files + 1]
        for number in np.unique(files[whole]).tolist():
            places = np.flatnonzero(whole & (files == number))
            self._mark(starts, places, number, begins[places] - file_starts[number])
        for place in np.flatnonzero(~whole).tolist():
            for number, begin, end, offset in self.split.cut(int(begins[place]), self.length):
                starts[place, offset] = offset
                part = starts[place : place + 1, offset : offset + end - begin]
                self._mark(part, np.zeros(1, dtype=np.int64), number, np.array([begin]), offset)
        return np.arange(self.length, dtype=np.int64) - np.maximum.accumulate(starts, axis=1)

    def _mark(
        self, starts: Ids, places: Ids, number: int, begins: NDArray[np.int64], offset: int = 0
    ) -> None:
        """Write at each border of a document where it is, in rows that lie in one file."""
        ends = self.split.files[number].ends
        first = np.searchsorted(ends, begins, side="right")
        counts = np.searchsorted(ends, begins + starts.shape[1], side="left") - first
        within = np.repeat(np.arange(len(places)), counts)
        # The numbers of the borders, row after row: counted on from the first of each.
        numbers = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + first[within]
        borders = ends[numbers] - begins[within]
        starts[places[within], borders] = borders + offset

    def mask(self, rows: ArrayLike) -> NDArray[np.bool_]:
        """Say that tokens stand everywhere."""
        return np.ones((len(np.asarray(rows)), self.length), dtype=np.bool_)

    def pieces(self, row: int) -> list[Piece]:
        """Return what a row is made of, in order."""
        found = []
        for number, begin, end, offset in self.split.cut(self.checked(row) * self.length, self.length):
            ends = self.split.files[number].ends
            before = int(self.split.document_starts[number])
            first = int(np.searchsorted(ends, begin, side="right"))
            last = int(np.searchsorted(ends, end, side="left"))
            start = int(ends[first - 1]) if first else 0
            for local, border in enumerate(ends[first : last + 1].tolist(), first):
                lies, stops = max(start, begin), min(border, end)
                if stops > lies:
                    found.append(Piece(before + local, lies - start, stops - lies, lies - begin + offset))
                start = border
        return found


class IndexedRows(Rows):
    """Rows as a row index places them; one whose pieces are shorter than it ends in padding."""

    is_padded = True

    def __init__(self, split: TokenSplit, index: RowIndex) -> None:
        super().__init__(split, index.sequence_length)
        self.index = index

    def __len__(self) -> int:
        return self.index.rows

    @property
    def padding(self) -> int:
        """Tokens of padding in all rows."""
        return self.index.padding

    def read(self, rows: ArrayLike) -> Ids:
        """Return the ids of some rows, shape ``(len(rows), length)``; padding has `padding_id`."""
        numbers = np.asarray(rows, dtype=np.int64)
        ids = np.full((len(numbers), self.length), self.split.padding_id, dtype=np.int64)
        for target, row in zip(ids, numbers.tolist(), strict=True):
            place = 0
            for document, offset, length in self.index.pieces(row):
                file, begin, end = self.split.place(document)
                if begin + offset + length > end:
                    raise UsageError(
                        f"{self.index.path}: row {row:,} has the tokens {offset:,} to {offset + length:,} of "
                        f"document {document:,}, which has {end - begin:,}",
                        AGAIN,
                    )
                target[place : place + length] = file.tokens[begin + offset : begin + offset + length]
                place += length
        return ids

    def positions(self, rows: ArrayLike) -> Ids:
        """Return each token's place, shape ``(len(rows), length)``."""
        starts = np.zeros((len(np.asarray(rows)), self.length), dtype=np.int64)
        for target, lengths in zip(starts, self._lengths(rows), strict=True):
            borders = np.cumsum(lengths)
            borders = borders[borders < self.length]
            target[borders] = borders
        return np.arange(self.length, dtype=np.int64) - np.maximum.accumulate(starts, axis=1)

    def mask(self, rows: ArrayLike) -> NDArray[np.bool_]:
        """Say where tokens stand and not padding, shape ``(len(rows), length)``."""
        filled = np.array([int(sum(lengths)) for lengths in self._lengths(rows)], dtype=np.int64)
        mask: NDArray[np.bool_] = np.arange(self.length) < filled.reshape(-1, 1)
        return mask

    def pieces(self, row: int) -> list[Piece]:
        """Return what a row is made of, in order, padding left out."""
        found, begin = [], 0
        for document, offset, length in self.index.pieces(self.checked(row)):
            found.append(Piece(document, offset, length, begin))
            begin += length
        return found

    def _lengths(self, rows: ArrayLike) -> list[list[int]]:
        """Return the lengths of the pieces of each row."""
        numbers = np.asarray(rows, dtype=np.int64).tolist()
        return [[length for _, _, length in self.index.pieces(row)] for row in numbers]
