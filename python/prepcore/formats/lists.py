"""Columns of lists of ids, in Parquet or in the Arrow files of Hugging Face `datasets`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from prepcore.arguments import UsageError
from prepcore.formats import source
from prepcore.formats.source import Batch, Largest

if TYPE_CHECKING:
    import polars

COLUMN = "input_ids"


class Lists:
    """Reads lists a batch at a time and checks them.

    Parameters
    ----------
    root
        What names of files are relative to.
    limit
        Largest id that can be written.
    length
        Ids a row must have; None where the first row decides.
    documents
        Whether a list is a document, of any length, and not a row.
    """

    def __init__(self, root: Path, limit: int, length: int | None = None, *, documents: bool = False) -> None:
        self.root = root
        self.limit = limit
        self.length = length
        self.documents = documents
        self.largest = Largest()

    def batches(self, files: list[Path]) -> Iterator[Batch]:
        """Yield the ids of all files, whole lists at a time.

        Raises
        ------
        UsageError
            Naming file and row of what is no list of ids, or of another length than the others.
        """
        for file in files:
            yield from self._of_file(file)

    def _of_file(self, file: Path) -> Iterator[Batch]:
        import polars

        first = 0
        try:
            frame = scan(file)
            kind = frame.collect_schema().get(COLUMN)
            inner = getattr(kind, "inner", None)
            if inner is None or not inner.is_integer():
                columns = ", ".join(f"{name} ({kind})" for name, kind in frame.collect_schema().items())
                raise UsageError(
                    f"{file} has no column {COLUMN} with a list of whole numbers a row; it has {columns}",
                    "make rows with `prepcore pack --format parquet`, or rename the column",
                )
            lists = frame.select(polars.col(COLUMN).cast(polars.List(inner)))
            if self.length is None and not self.documents:
                head = lists.head(1).collect()[COLUMN]
                if head.null_count():
                    _refuse(file, 0, "is null, wanted a list of ids")
                self.length = head.list.len()[0] if len(head) else None
            for batch in lists.collect_batches(chunk_size=max(1, source.BATCH_IDS // (self.length or 1024))):
                yield self._checked(batch[COLUMN], file, first)
                first += len(batch)
        except polars.exceptions.PolarsError as error:
            raise UsageError(
                f"{file} cannot be read as Parquet after row {first:,}: {str(error).splitlines()[0]}",
                "the file is cut short or is something else",
            ) from error

    def _checked(self, lists: polars.Series, file: Path, first: int) -> Batch:
        """Return the ids of some lists, one after the other; refuse what cannot be trained on."""
        import polars

        lengths = lists.list.len()
        if self.documents:
            for index in lengths.is_null().arg_true()[:1]:
                _refuse(file, first + index, "is null, wanted a list of ids")
        elif len(lists):
            for index in (lengths != self.length).fill_null(True).arg_true()[:1]:
                found = "null" if lengths[index] is None else f"{lengths[index]:,} ids"
                _refuse(file, first + index, f"has {found}, wanted {self.length:,} as in the other rows")
            if self.length is None or self.length < 2:
                _refuse(file, first, f"has {self.length} ids, wanted 2 or more")
        sizes = lengths.cast(polars.Int64).to_numpy()
        ends = np.cumsum(sizes)
        # An empty list would become one null.
        ids = lists.filter(lengths > 0).explode()
        if not len(ids):
            return Batch(np.empty(0, dtype=np.int64), sizes if self.documents else None)
        for index in ids.is_null().arg_true()[:1]:
            _refuse(file, first + _list_of(ends, index), "has an id that is null, wanted numbers alone")
        values = ids.to_numpy()
        for extreme in (values.argmin(), values.argmax()):
            value, row = int(values[extreme]), first + _list_of(ends, int(extreme))
            if not 0 <= value <= self.limit:
                _refuse(file, row, f"has the id {value}, wanted 0 to {self.limit:,}")
            if value > self.largest.id:
                name = file.name if file == self.root else file.relative_to(self.root).as_posix()
                self.largest.id, self.largest.file, self.largest.row = value, name, row
        return Batch(values, sizes if self.documents else None)


def scan(file: Path) -> polars.LazyFrame:
    """Open a file of lists; an Arrow file of `datasets` is read whole, which caps them at 500 MB."""
    import polars

    if file.suffix == ".arrow":
        return polars.read_ipc_stream(file, columns=[COLUMN]).lazy()
    return polars.scan_parquet(file, glob=False)


def are_rows(files: list[Path]) -> bool:
    """Whether all lists of some files have one length, so that they are rows and not documents."""
    import polars

    seen: set[Any] = set()
    for file in files:
        try:
            lengths = scan(file).select(polars.col(COLUMN).cast(polars.List(polars.Int64)).list.len())
            bounds = lengths.select(low=polars.col(COLUMN).min(), high=polars.col(COLUMN).max())
            seen |= set(bounds.collect(engine="streaming").row(0)) - {None}
        except polars.exceptions.PolarsError:
            return True  # reading the lists says what is wrong
        if len(seen) > 1:
            return False
    return True


def _list_of(ends: NDArray[np.int64], index: int) -> int:
    return int(np.searchsorted(ends, index, side="right"))


def _refuse(file: Path, row: int, fault: str) -> NoReturn:
    raise UsageError(
        f"{file}: row {row:,} {fault}", "every row is a list of equally many token ids, without gaps"
    )
