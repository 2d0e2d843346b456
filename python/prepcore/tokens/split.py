"""One side of a token folder: a sequence of tokens, and of documents, over several files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prepcore.arguments import UsageError
from prepcore.tokens.files import Ids, TokenFile
from prepcore.tokens.row_index import RowIndex
from prepcore.tokens.rows import ConcatenatedRows, IndexedRows, Rows


class TokenSplit:
    """The training or the validation half of a folder.

    Parameters
    ----------
    files
        In the order of the manifest; no document crosses from one to the next.
    text_bytes
        UTF-8 bytes of the text the tokens came from, for figures per byte.
    row_indexes
        Those there are of this side.
    packing
        How rows are made where nobody says otherwise: ``concatenate``, or that of a row index.
    padding_id
        Id that stands where a row has no token.
    name
        What errors call this side.
    """

    def __init__(
        self,
        files: Sequence[TokenFile],
        text_bytes: int,
        *,
        row_indexes: Sequence[RowIndex] = (),
        packing: str = "concatenate",
        padding_id: int = 0,
        name: str = "the token folder",
    ) -> None:
        self.files = list(files)
        self.text_bytes = text_bytes
        self.row_indexes = list(row_indexes)
        self.packing = packing
        self.padding_id = padding_id
        self.name = name
        self.file_starts = np.cumsum([0] + [len(file.tokens) for file in self.files])
        self.document_starts = np.cumsum([0] + [len(file.ends) for file in self.files])
        self._packed: dict[tuple[int, str], Rows] = {}

    @property
    def tokens(self) -> int:
        """Number of tokens, those in no row included."""
        return int(self.file_starts[-1])

    @property
    def documents(self) -> int:
        """Number of documents."""
        return int(self.document_starts[-1])

    @property
    def tokens_per_byte(self) -> float | None:
        """Tokens a byte of text; None when there is no text."""
        return self.tokens / self.text_bytes if self.text_bytes else None

    def packed(self, length: int, packing: str | None = None) -> Rows:
        """Return the rows of ``length`` tokens.

        Parameters
        ----------
        length
            Tokens in a row.
        packing
            ``concatenate``, which cuts rows of any length, or that of a row index; by default the folder's.

        Raises
        ------
        UsageError
            When there is no such row index.
        """
        packing = packing or self.packing
        known = self._packed.get((length, packing))
        if known is None:
            indexes = {(index.sequence_length, index.packing): index for index in self.row_indexes}
            index = indexes.get((length, packing))
            if index is not None:
                known = IndexedRows(self, index)
            elif packing == "concatenate":
                known = ConcatenatedRows(self, length)
            else:
                there = ", ".join(f"{size:,}" for size, name in indexes if name == packing) or "none"
                raise UsageError(
                    f"{self.name} has no {packing} rows of {length:,} tokens; the lengths there are: {there}",
                    "`prepcore pack DIR --sequence-length` makes rows of another length without tokenising",
                )
            self._packed[length, packing] = known
        return known

    def rows(self, length: int) -> int:
        """Return how many rows of ``length`` tokens there are."""
        return len(self.packed(length))

    def read(self, rows: NDArray[np.int64], length: int) -> Ids:
        """Return the tokens of some rows, shape ``(len(rows), length)``."""
        return self.packed(length).read(rows)

    def positions(self, rows: NDArray[np.int64], length: int) -> Ids:
        """Return the place of each token within its document, shape ``(len(rows), length)``.

        A row that begins inside a document counts from zero there: what came before it is out of sight.
        Padding counts from zero, too, as a document of its own.
        """
        return self.packed(length).positions(rows)

    def mask(self, rows: NDArray[np.int64], length: int) -> NDArray[np.bool_] | None:
        """Say where tokens stand and not padding, shape ``(len(rows), length)``; None without padding."""
        packed = self.packed(length)
        return packed.mask(rows) if packed.is_padded else None

    def padding(self, length: int) -> int:
        """Return the tokens of padding in all rows of ``length`` tokens."""
        return self.packed(length).padding

    def document(self, number: int) -> NDArray[Any]:
        """Return the tokens of a document, a view of the memory map.

        Raises
        ------
        UsageError
            When there is no such document.
        """
        file, begin, end = self.place(number)
        return file.tokens[begin:end]

    def place(self, number: int) -> tuple[TokenFile, int, int]:
        """Return a document's file, and where in it the document begins and ends, in tokens.

        Raises
        ------
        UsageError
            When there is no such document.
        """
        if not 0 <= number < self.documents:
            raise UsageError(
                f"{self.name} has {self.documents:,} documents, and {number:,} is not one of them",
                "documents count from 0",
            )
        index = int(np.searchsorted(self.document_starts, number, side="right")) - 1
        file, local = self.files[index], number - int(self.document_starts[index])
        return file, int(file.ends[local - 1]) if local else 0, int(file.ends[local])

    def cut(self, start: int, length: int) -> list[tuple[int, int, int, int]]:
        """Cut a range of the sequence at file borders.

        Returns
        -------
        list
            For each part: number of the file, begin and end in it, offset in the range.
        """
        parts = []
        number = int(np.searchsorted(self.file_starts, start, side="right")) - 1
        offset = 0
        while offset < length:
            file, begin = self.files[number], start + offset - int(self.file_starts[number])
            end = min(begin + length - offset, len(file.tokens))
            if end > begin:  # a file may be empty
                parts.append((number, begin, end, offset))
            offset += end - begin
            number += 1
        return parts
