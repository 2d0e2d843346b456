"""The row index of a split: which pieces of which documents make each row.

Layout, little-endian: 8 bytes ``PREPROWS``; the numbers of rows R and of pieces P (uint64); R + 1 piece
numbers (uint64), where each row's pieces begin and the last one's end; P records of 20 bytes: document
(uint64), offset within the document (uint64) and length (uint32), both in tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prepcore.arguments import UsageError
from prepcore.tokens.files import AGAIN, size_of

MAGIC = b"PREPROWS"
HEADER_BYTES = 24
START = np.dtype("<u8")
PIECE = np.dtype([("document", "<u8"), ("offset", "<u8"), ("length", "<u4")])


@dataclass(frozen=True)
class RowIndex:
    """A mapped row index.

    Attributes
    ----------
    path
        The file.
    sequence_length
        Tokens in a row, padding included.
    packing
        What placed the pieces, such as ``best-fit``.
    padding
        Tokens of padding in all rows.
    starts
        Memory map of where each row's pieces begin, shape ``(rows + 1,)``.
    records
        Memory map of the pieces, shape ``(pieces,)``, fields ``document``, ``offset``, ``length``.
    """

    path: Path
    sequence_length: int
    packing: str
    padding: int
    starts: NDArray[np.uint64]
    records: NDArray[Any]

    @classmethod
    def open(cls, folder: Path, stated: Mapping[str, Any]) -> RowIndex:
        """Map the index that an entry of ``row_indexes`` in a manifest names.

        Raises
        ------
        UsageError
            When the file is missing or is not what its manifest states.
        """
        path = folder / stated["path"]
        size = size_of(path)
        with path.open("rb") as file:
            header = file.read(HEADER_BYTES)
        if len(header) < HEADER_BYTES or not header.startswith(MAGIC):
            raise UsageError(
                f"{path} begins with {header[:8]!r}, wanted {MAGIC!r}: it is no row index", AGAIN
            )
        rows, pieces = (int(number) for number in np.frombuffer(header, START, offset=len(MAGIC)))
        wanted = HEADER_BYTES + START.itemsize * (rows + 1) + PIECE.itemsize * pieces
        if (rows, pieces, size) != (int(stated["rows"]), int(stated["pieces"]), wanted):
            raise UsageError(
                f"{path} has {size:,} bytes for {rows:,} rows of {pieces:,} pieces, wanted {wanted:,} bytes, "
                f"and its manifest states {stated['rows']:,} rows of {stated['pieces']:,} pieces",
                AGAIN,
            )
        starts = np.memmap(path, START, mode="r", offset=HEADER_BYTES, shape=(rows + 1,))
        behind = HEADER_BYTES + starts.nbytes
        records: NDArray[Any] = np.empty(0, PIECE)
        if pieces:
            records = np.memmap(path, PIECE, mode="r", offset=behind, shape=(pieces,))
        length, packing, padding = stated["sequence_length"], stated["packing"], stated["padding"]
        return cls(path, int(length), str(packing), int(padding), starts, records)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.starts) - 1

    def pieces(self, row: int) -> list[tuple[int, int, int]]:
        """Return document, offset and length of each piece of a row.

        Raises
        ------
        UsageError
            When the pieces are longer than the row: the file is damaged.
        """
        pieces = self.records[int(self.starts[row]) : int(self.starts[row + 1])].tolist()
        if sum(length for _, _, length in pieces) > self.sequence_length:
            raise UsageError(
                f"{self.path}: the pieces of row {row:,} are longer than the row of {self.sequence_length:,} "
                "tokens",
                AGAIN,
            )
        return [(int(document), int(offset), int(length)) for document, offset, length in pieces]
