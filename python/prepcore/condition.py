"""`where`: a condition over the columns, in Polars SQL or as a Polars expression, for the engine to ask."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

    from prepcore._core import ArrowBatch

_EXTRA = "extra"
"""The column that holds the members of a JSON line other than its text."""

_ANSWER = "__prepcore_keep__"
"""The column of answers."""

Evaluate = Callable[["ArrowBatch"], "pl.DataFrame"]
"""Takes a batch of documents, returns a column of booleans of the same length."""


def evaluator(condition: str | pl.Expr | None) -> Evaluate | None:
    """Return what the engine calls with each unit of documents, on any of its threads.

    Parameters
    ----------
    condition
        Polars SQL such as ``length(text) > 100 AND year >= 2020``, an expression of booleans, or None.

    Raises
    ------
    ConfigurationError
        For SQL that Polars cannot read.
    """
    if condition is None:
        return None
    import polars as pl

    expression = expression_of(condition)
    names = expression.meta.root_names()

    def evaluate(batch: ArrowBatch) -> pl.DataFrame:
        frame: pl.DataFrame = pl.DataFrame(batch)
        missing = [name for name in names if name not in frame.columns]
        if missing and frame.schema.get(_EXTRA) == pl.String:
            if frame.is_empty():
                # Which members the lines have is not known yet.
                return pl.DataFrame(schema={_ANSWER: pl.Boolean})
            frame = _with_members(frame, missing)
        try:
            # A condition may be a constant: it speaks of every row.
            answer = frame.with_columns(expression.alias(_ANSWER)).select(_ANSWER)
        except pl.exceptions.PolarsError as error:
            first = str(error).partition("\n")[0]
            raise ValueError(f"{first}\nhint: the columns are {', '.join(frame.columns)}") from error
        if answer.schema[_ANSWER] not in (pl.Boolean, pl.Null):
            raise ValueError(f"the condition gives {answer.schema[_ANSWER]}, expected true or false")
        return answer.cast(pl.Boolean)

    return evaluate


def _with_members(frame: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """Add members of JSON lines as columns; null where a line has none of that name."""
    import polars as pl

    decoded = frame.get_column(_EXTRA).str.json_decode(infer_schema_length=None)
    fields = {field.name for field in decoded.dtype.fields} if isinstance(decoded.dtype, pl.Struct) else set()
    members = [
        decoded.struct.field(name) if name in fields else pl.Series(name, [None] * len(frame), pl.Null)
        for name in names
    ]
    return frame.with_columns(members)


def expression_of(condition: str | pl.Expr) -> pl.Expr:
    """Return the expression that a condition means.

    Raises
    ------
    ConfigurationError
        For SQL that Polars cannot read.
    """
    import polars as pl

    from prepcore import engine

    refused = engine.core().ConfigurationError
    try:
        expression = condition if isinstance(condition, pl.Expr) else pl.sql_expr(condition)
    except pl.exceptions.PolarsError as error:
        message = str(error).partition("\n")[0]
        raise refused(f"--where: {condition!r} is no SQL condition: {message}") from error
    if not _is_by_row(expression):
        raise refused(
            f"--where: {str(condition)!r} looks at several rows at once\n"
            "hint: a condition speaks of one document at a time: no sums, averages or row numbers"
        )
    return expression


def _is_by_row(expression: pl.Expr) -> bool:
    """Whether each row is answered by itself, as far as Polars tells, looking at every step."""
    import polars as pl

    try:
        separable = expression.meta.is_row_separable() or expression.meta.is_literal()
    except pl.exceptions.PolarsError:
        # A step that Polars cannot judge without knowing the columns.
        separable = True
    return separable and all(_is_by_row(step) for step in expression.meta.pop())
