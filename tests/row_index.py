"""Row indexes written by hand, as `prepcore.tokens.row_index` documents them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Piece = tuple[int, int, int]


def first_fit(lengths: Sequence[int], length: int) -> list[list[Piece]]:
    """Place documents (cut where they are longer than a row), each in the first row that has room."""
    rows: list[list[Piece]] = []
    for document, tokens in enumerate(lengths):
        for offset in range(0, tokens, length):
            piece = (document, offset, min(length, tokens - offset))
            for row in rows:
                if sum(size for *_, size in row) + piece[2] <= length:
                    row.append(piece)
                    break
            else:
                rows.append([piece])
    return rows


def write_row_index(
    folder: Path, prefix: str, rows: Sequence[Sequence[Piece]], length: int, packing: str = "best-fit"
) -> dict[str, Any]:
    """Write an index; return its entry for the manifest."""
    path = f"{prefix}rows-{length}.idx"
    pieces = [piece for row in rows for piece in row]
    starts = [0]
    for row in rows:
        starts.append(starts[-1] + len(row))
    data = b"PREPROWS" + struct.pack("<QQ", len(rows), len(pieces))
    data += struct.pack(f"<{len(starts)}Q", *starts)
    data += b"".join(struct.pack("<QQI", *piece) for piece in pieces)
    (folder / path).write_bytes(data)
    return {
        "sequence_length": length,
        "packing": packing,
        "path": path,
        "rows": len(rows),
        "pieces": len(pieces),
        "padding": len(rows) * length - sum(size for *_, size in pieces),
        "documents_cut": len({document for document, offset, _ in pieces if offset}),
        "bytes": len(data),
        "checksum": "",
    }
