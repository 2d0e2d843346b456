"""Columns that Polars exports in a way that Arrow forbids, made fit for the engine and put right again.

Polars (2.1) gives an Arrow array of type null a buffer, which the format says it does not have, and readers
refuse it. Such columns, and null types inside lists and structs, travel as Booleans that are all null.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import polars as pl
from polars.datatypes import DataTypeClass


def of_texts(texts: pl.Series | list[str] | list[str | None]) -> pl.DataFrame:
    """Put texts where the engine looks for them when there are no others: in the first column."""
    return pl.Series("text", texts, dtype=pl.String).to_frame()


def prepare(frame: pl.LazyFrame, schema: pl.Schema) -> pl.LazyFrame:
    """Give the columns that cannot travel as they are the type they travel in."""
    changed = {name: _travelling(dtype) for name, dtype in schema.items()}
    return frame.with_columns(
        pl.col(name).cast(dtype) for name, dtype in changed.items() if dtype != schema[name]
    )


def restore(frame: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """Give a frame that came back the types of `schema`."""
    for name, dtype in schema.items():
        if frame.schema[name] != dtype:
            column = frame[name].cast(dtype)
            if column.dtype != dtype:
                # Polars leaves a list of Booleans as it is when asked for a list of nulls.
                column = pl.Series(name, column.to_list(), dtype=dtype)
            frame = frame.with_columns(column)
    return frame


def pushed_down(
    batches: Iterable[pl.DataFrame],
    with_columns: list[str] | None,
    predicate: pl.Expr | None,
    n_rows: int | None,
) -> Iterator[pl.DataFrame]:
    """Apply what Polars pushes down to a source: first the limit, then the filter, then the projection."""
    wanted = n_rows
    for batch in batches:
        if wanted is not None:
            batch = batch.head(wanted)
            wanted -= len(batch)
        if predicate is not None:
            batch = batch.filter(predicate)
        yield batch if with_columns is None else batch.select(with_columns)
        if wanted == 0:
            return


def _travelling(dtype: pl.DataType | DataTypeClass) -> pl.DataType:
    dtype = dtype() if isinstance(dtype, type) else dtype
    if isinstance(dtype, pl.Null):
        return pl.Boolean()
    if isinstance(dtype, pl.List):
        return pl.List(_travelling(dtype.inner))
    if isinstance(dtype, pl.Array):
        return pl.Array(_travelling(dtype.inner), dtype.size)
    if isinstance(dtype, pl.Struct):
        return pl.Struct([pl.Field(field.name, _travelling(field.dtype)) for field in dtype.fields])
    return dtype
