"""From a row back to its documents: which, from which row of which file, and what they say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prepcore.arguments import UsageError
from prepcore.tokens.folder import SplitName, Tokens

if TYPE_CHECKING:
    from prepcore.tokens.rows import Rows

SOURCES = "sources.parquet"

HEAD = 240
"""Characters of a piece that are shown where not all are asked for: three lines of a terminal."""


@dataclass(frozen=True)
class TracedPiece:
    """A piece of a row and where it came from.

    Attributes
    ----------
    document
        Number of the document within its split.
    tokens
        First and last-plus-one token of the piece within the document.
    document_tokens
        Tokens of the whole document.
    begin
        Where the piece begins in the row, in tokens.
    source
        File of the input, as the manifest names it; through a cleaned folder the raw file. None where the
        folder has no ``sources.parquet``.
    source_row
        Row in that file, from 0; None likewise.
    text
        The piece, decoded.
    """

    document: int
    tokens: tuple[int, int]
    document_tokens: int
    begin: int
    source: str | None
    source_row: int | None
    text: str


@dataclass(frozen=True)
class Trace:
    """A row of a token folder, traced.

    Attributes
    ----------
    split
        ``train`` or ``validation``.
    row
        Its number.
    sequence_length
        Tokens in a row.
    padding
        Tokens of padding at its end.
    pieces
        What it is made of, in order.
    """

    split: SplitName
    row: int
    sequence_length: int
    padding: int
    pieces: list[TracedPiece]

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as JSON knows it."""
        return asdict(self)


def traced(
    tokens: Tokens, row: int, *, split: SplitName = "train", sequence_length: int | None = None
) -> Trace:
    """Trace a row; see `prepcore.Tokens.trace`."""
    rows: Rows = tokens.rows(sequence_length, split=split)
    number = rows.checked(row)
    if not tokens.has_borders:
        raise UsageError(
            f"{tokens.path} does not know where documents end, so its rows cannot be traced",
            "rows in Parquet have lost their borders; trace the token folder of the same documents",
        )
    pieces = rows.pieces(number)
    sources = _sources(tokens.path, split, [piece.document for piece in pieces])
    found = []
    for piece in pieces:
        ids = rows.split.document(piece.document)
        end = piece.offset + piece.length
        source, source_row = sources.get(piece.document, (None, None))
        text = tokens.decode(ids[piece.offset : end])
        found.append(
            TracedPiece(piece.document, (piece.offset, end), len(ids), piece.begin, source, source_row, text)
        )
    padding = rows.length - sum(piece.length for piece in pieces)
    return Trace(split, number, rows.length, padding, found)


def _sources(folder: Path, split: SplitName, documents: list[int]) -> Mapping[int, tuple[str, int]]:
    """Look up where documents came from; only the row groups that may name them are read."""
    path = folder / SOURCES
    if not documents or not path.is_file():
        return {}
    import polars as pl

    number = pl.col("document")
    wanted = pl.Series(sorted(set(documents)), dtype=pl.UInt64)
    try:
        found = (
            pl.scan_parquet(path, glob=False)
            .filter(
                number.is_between(wanted[0], wanted[-1]),
                pl.col("split") == split,
                number.is_in(wanted.implode()),
            )
            .select("document", "source", "row")
            .collect()
        )
    except pl.exceptions.PolarsError as error:
        raise UsageError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error
    return {document: (source, row) for document, source, row in found.iter_rows()}


def lines(trace: Trace, *, full: bool = False) -> Iterator[str]:
    """Lay a trace out for people: a line on the row, then for each piece a line of facts and the text."""
    count = len(trace.pieces)
    padding = f", {trace.padding:,} of padding" if trace.padding else ""
    yield (
        f"row {trace.row:,} of {trace.split}: {trace.sequence_length:,} tokens, "
        f"{count:,} {'piece' if count == 1 else 'pieces'}{padding}"
    )
    for piece in trace.pieces:
        first, end = piece.tokens
        place = "" if piece.source is None else f": {piece.source} row {piece.source_row}"
        yield ""
        yield (
            f"── document {piece.document}, tokens {first:,} to {end - 1:,} of {piece.document_tokens:,}, "
            f"at {piece.begin:,} in the row{place}"
        )
        left = len(piece.text) - HEAD
        if full or left <= 0:
            yield piece.text
        else:
            yield f"{piece.text[:HEAD]}… {left:,} more characters (--full shows them)"
