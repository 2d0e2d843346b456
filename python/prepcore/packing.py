"""`prepcore.pack`: documents to rows of token ids, from files or frames, into a folder or a frame."""

from __future__ import annotations

import os
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, overload

from prepcore import config, engine
from prepcore.runs import Inputs, PathLike, paths_of

if TYPE_CHECKING:
    import polars as pl

    from prepcore.frames import ArrowStream


class PackSettings(TypedDict, total=False):
    """Settings of `pack`, those of `prepcore.config.Pack`."""

    text_column: str
    sequence_length: int
    packing: str
    bos: str
    eos: str
    special_tokens: str
    validation: float
    format: str
    seed: int
    limit: int | None
    threads: int | None
    memory: str
    max_unreadable: float


@overload
def pack(
    source: Inputs, *, tokenizer: PathLike, out: PathLike, **settings: Unpack[PackSettings]
) -> dict[str, Any]: ...
@overload
def pack(
    source: pl.DataFrame | pl.LazyFrame | ArrowStream,
    *,
    tokenizer: PathLike,
    out: PathLike,
    **settings: Unpack[PackSettings],
) -> dict[str, Any]: ...
@overload
def pack(
    source: pl.DataFrame | pl.LazyFrame | ArrowStream,
    *,
    tokenizer: PathLike,
    out: None = None,
    **settings: Unpack[PackSettings],
) -> pl.DataFrame: ...


def pack(
    source: Any, *, tokenizer: PathLike, out: PathLike | None = None, **settings: Unpack[PackSettings]
) -> Any:
    """Tokenise documents and pack them into rows, as ``prepcore pack`` does.

    Parameters
    ----------
    source
        Files, folders and globs, in order; or a Polars DataFrame or LazyFrame, or any object with
        ``__arrow_c_stream__``. A document whose text is null counts as unreadable and is left out.
    tokenizer
        A ``tokenizer.json``, or a folder that holds one.
    out
        Folder to write, new or empty. Files need one; a frame without one gives a frame of rows.
    **settings
        Those of `prepcore.config.Pack`. Without `out` there is no `validation`, `format` or
        `max_unreadable`, and rows are of documents put end to end.

    Returns
    -------
    dict or DataFrame
        With `out` the manifest; without, a column ``input_ids`` of type ``Array(UInt32, sequence_length)``.
        What is left over at the end, less than a row, is in no row.

    Raises
    ------
    PrepcoreError
        As ``prepcore pack`` ends with 1 or 2.
    """
    chosen = config.Pack(tokenizer=os.fspath(tokenizer), **settings)  # type: ignore[arg-type]
    if not hasattr(source, "__arrow_c_stream__") and not hasattr(source, "collect_batches"):
        if out is None:
            raise TypeError("pack() packs files into a folder: give out=, such as pack('a.parquet', out='b')")
        return engine.run("pack", chosen, paths_of(source), os.fspath(out)).document
    if out is not None:
        return _into_folder(source, chosen, Path(out))
    return _rows_of(source, chosen)


def _rows_of(source: Any, settings: config.Pack) -> pl.DataFrame:
    """Send the texts through the engine and gather the rows."""
    import polars as pl

    if settings.packing != "concatenate" or settings.format != "tokens":
        raise TypeError(
            "pack() without out= puts documents end to end and returns a frame; "
            "packing= and format= take a folder, out="
        )
    sent: Any = source
    if isinstance(source, pl.DataFrame | pl.LazyFrame):
        sent = _texts(source, settings).collect_batches()
    stream = engine.pack_stream(settings, sent)
    batches = [pl.DataFrame(batch) for batch in stream]
    _warn_of_unreadable(engine.summary_of(stream) or {})
    if batches:
        return pl.concat(batches, rechunk=False)
    return pl.DataFrame(schema={"input_ids": pl.Array(pl.UInt32, settings.sequence_length)})


def _into_folder(source: Any, settings: config.Pack, out: Path) -> dict[str, Any]:
    """Write the texts to a Parquet file beside the folder, pack it, and remove it again.

    A run into a folder reads its input by pieces that it can find again, which a stream has not.
    """
    import polars as pl

    beside = out.absolute().parent
    beside.mkdir(parents=True, exist_ok=True)
    frame = source if isinstance(source, pl.DataFrame | pl.LazyFrame) else pl.DataFrame(source)
    with tempfile.TemporaryDirectory(prefix=".prepcore-", dir=beside) as folder:
        path = Path(folder) / "frame.parquet"
        _texts(frame, settings).sink_parquet(path)
        return engine.run("pack", settings, [str(path)], os.fspath(out)).document


def _texts(frame: pl.DataFrame | pl.LazyFrame, settings: config.Pack) -> pl.LazyFrame:
    """Keep the texts alone; where there is no such column leave it to the engine to say so."""
    from prepcore.transport import prepare

    lazy = frame.lazy()
    schema = lazy.collect_schema()
    if settings.text_column in schema:
        lazy = lazy.select(settings.text_column)
    return prepare(lazy, lazy.collect_schema())


def _warn_of_unreadable(summary: dict[str, Any]) -> None:
    """Say aloud that documents are missing."""
    if summary.get("unreadable"):
        warnings.warn(
            f"{summary['unreadable']:,} of {summary['documents']:,} documents have no text that can be "
            "encoded (null, most often) and are in no row",
            stacklevel=4,
        )
