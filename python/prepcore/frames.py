"""Cleaning of Polars frames and Arrow streams.

A frame goes to the engine as an Arrow stream and comes back a batch at a time, through an iterator that
releases Python's lock while it waits. (A consumer that pulls an Arrow stream while it holds the lock hangs
for ever as soon as anything upstream needs Python.)
"""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypedDict, TypeVar, Unpack, overload

from prepcore import config, engine
from prepcore.rules import Rule, Rules, chosen
from prepcore.runs import Inputs, PathLike, paths_of

if TYPE_CHECKING:
    import polars as pl

    from prepcore._core import CleanedStream

Frame = TypeVar("Frame", covariant=True)

_ROW = "__prepcore_row__"
"""Name of the column of row numbers that travels beside the text of a DataFrame."""


class ArrowStream(Protocol):
    """Anything that gives its data as an Arrow stream: pyarrow, DuckDB, Daft, Hugging Face datasets."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Return a PyCapsule named ``arrow_array_stream``."""


class CleanSettings(TypedDict, total=False):
    """Settings of `clean`, those of `prepcore.config.Clean`."""

    text_column: str
    columns: Literal["all"] | list[str]
    format: Literal["auto", "parquet", "jsonl", "jsonl.gz", "jsonl.zst"]
    compression_level: int
    profile: Literal["basic", "course"]
    rules: Rules | Sequence[Rule | str]
    language: list[str]
    min_language_score: float
    language_model: str | None
    classifier: str | None
    label: str | None
    min_score: float | None
    max_score: float | None
    keep_scores: bool
    where: str | pl.Expr | None
    dedup_key: str
    dedup: Literal["auto", "memory", "disk", "off"]
    against: list[str]
    keep_dropped: bool
    skip_corrupt: bool
    tokenizer: str | None
    sequence_length: int
    packing: Literal["concatenate"]
    bos: str
    eos: str
    special_tokens: Literal["text", "parse"]
    validation: float
    keep_text: bool
    limit: int | None
    shard: str | None
    step: Literal["auto", "sign", "resolve", "emit"]
    overwrite: bool
    threads: int | None
    memory: str
    max_unreadable: float


class NotCollectedError(RuntimeError):
    """The summary of a lazy frame was asked for before all of it had been collected."""


@dataclass(frozen=True)
class Cleaned(Generic[Frame]):
    """What is left of a frame, and what became of the rest.

    Attributes
    ----------
    frame
        A DataFrame for a DataFrame, a LazyFrame for a LazyFrame, an Arrow stream for an Arrow stream.
    """

    frame: Frame
    _summarise: Callable[[], dict[str, Any] | None] = field(repr=False)

    @property
    def summary(self) -> dict[str, Any]:
        """Counts: ``documents``, ``kept``, ``dropped`` by reason, ``unreadable``, ``text_bytes``.

        Raises
        ------
        NotCollectedError
            When a LazyFrame was not yet collected, or an Arrow stream not yet read, to its end.
        """
        summary = self._summarise()
        if summary is None:
            raise NotCollectedError(
                "there is no summary yet: the cleaned frame has not been read to its end\n"
                "hint: collect it first (a head() or limit() stops early and leaves none)"
            )
        return summary


@overload
def clean(  # type: ignore[overload-overlap]  # a DataFrame is an ArrowStream too; the first match wins
    source: pl.DataFrame, **settings: Unpack[CleanSettings]
) -> Cleaned[pl.DataFrame]: ...
@overload
def clean(source: pl.LazyFrame, **settings: Unpack[CleanSettings]) -> Cleaned[pl.LazyFrame]: ...
@overload
def clean(source: Inputs, *, out: PathLike, **settings: Unpack[CleanSettings]) -> dict[str, Any]: ...
@overload
def clean(source: ArrowStream, **settings: Unpack[CleanSettings]) -> Cleaned[CleanedStream]: ...


def clean(source: Any, *, out: PathLike | None = None, **settings: Unpack[CleanSettings]) -> Any:
    """Drop short, repetitive and duplicate documents; what stays keeps its order and its other columns.

    Parameters
    ----------
    source
        A Polars DataFrame or LazyFrame; any object with ``__arrow_c_stream__``; or, with `out`, files,
        folders and globs. A document whose text is null counts as unreadable and is left out.
    out
        Folder to write, new or empty, when `source` is files.
    **settings
        Those of `prepcore.config.Clean`; `format`, `compression_level`, `keep_dropped`, `skip_corrupt` and
        `max_unreadable` concern files only.

    Returns
    -------
    Cleaned or dict
        ``Cleaned(frame, summary)`` with a frame of the kind that came in: a LazyFrame streams in bounded
        memory and can be collected again; an Arrow stream is read once, by iteration or
        ``__arrow_c_stream__``. For files, the manifest.

    Raises
    ------
    PrepcoreError
        ``ConfigurationError`` for a setting out of range, ``InputError`` for what cannot be read (such as a
        frame without the text column), ``RunError`` for what fails later.
    """
    chosen = settings_of(settings)
    if isinstance(source, str | os.PathLike | list | tuple):
        if out is None:
            raise TypeError(
                "clean() reads files into a folder: give out=, such as clean('a.parquet', out='b')"
            )
        return engine.run("clean", chosen, paths_of(source), os.fspath(out)).document
    if out is not None:
        raise TypeError("clean() returns a frame for a frame; out= is for files")
    if not hasattr(source, "__arrow_c_stream__") and not hasattr(source, "collect_batches"):
        kind = type(source).__name__
        raise TypeError(
            f"clean() takes a Polars frame, an object with __arrow_c_stream__ or paths, not {kind}"
        )
    import polars as pl

    if isinstance(source, pl.LazyFrame):
        return _clean_lazily(*_select(source, chosen))
    if isinstance(source, pl.DataFrame):
        lazy, chosen = _select(source.lazy(), chosen)
        return _clean_frame(lazy.collect(), chosen)
    stream = engine.clean_stream(chosen, source)
    return Cleaned(stream, lambda: engine.summary_of(stream))


def settings_of(settings: CleanSettings) -> config.Clean:
    """Make the configuration out of keyword arguments, where rules may be a list."""
    given: dict[str, Any] = {**settings}
    if given.get("rules") is not None:
        given["rules"] = chosen(given["rules"])
    return config.Clean(**given)


def _select(frame: pl.LazyFrame, settings: config.Clean) -> tuple[pl.LazyFrame, config.Clean]:
    """Keep the columns asked for; where one is missing leave it to the engine to say so."""
    names = frame.collect_schema().names()
    if settings.columns == "all" or not {settings.text_column, *settings.columns} <= set(names):
        return frame, settings
    kept = [name for name in names if name in settings.columns]
    return frame.select(kept), dataclasses.replace(settings, columns="all")


def _clean_frame(frame: pl.DataFrame, settings: config.Clean) -> Cleaned[pl.DataFrame]:
    """Send what is judged with row numbers, and take the other columns of the rows that come back.

    So the other columns may have any type, and their bytes are copied once.
    """
    import polars as pl

    from prepcore.transport import prepare

    text = settings.text_column
    judged = list(dict.fromkeys([text, *_key_column(settings), *_condition_columns(frame, settings)]))
    scores = _score_columns(settings)
    if (
        settings.columns == "all"
        and set(judged) <= set(frame.columns)
        and not set(scores) & set(frame.columns)
    ):
        sent = frame.select(judged).with_row_index(_ROW)
    else:
        # The engine is shown the whole frame, and says which columns there are.
        sent = frame.clear()
    sent = prepare(sent.lazy(), sent.schema).collect()
    stream = engine.clean_stream(settings, sent)
    batches = [pl.DataFrame(batch) for batch in stream]
    summary = engine.summary_of(stream) or {}
    _warn_of_unreadable(summary)
    if not batches:
        return Cleaned(pl.DataFrame(schema={**frame.schema, **scores}), lambda: summary)
    kept = pl.concat(batches, rechunk=False)
    others = frame.drop(text)[kept[_ROW]]
    whole = others.with_columns(kept.get_columns()).select(*frame.columns, *scores)
    return Cleaned(whole, lambda: summary)


def _key_column(settings: config.Clean) -> list[str]:
    """Name the column of ``column:NAME``."""
    kind, _, name = settings.dedup_key.partition(":")
    return [name] if kind == "column" and name else []


def _condition_columns(frame: pl.DataFrame, settings: config.Clean) -> list[str]:
    """Name the columns that the condition looks at; all where it names them by a pattern."""
    if settings.where is None:
        return []
    from prepcore.condition import expression_of

    names = expression_of(settings.where).meta.root_names()
    return names if set(names) <= set(frame.columns) else list(frame.columns)


def _score_columns(settings: config.Clean) -> dict[str, pl.DataType]:
    """Name the columns that ``keep_scores`` adds, with their types."""
    import polars as pl

    models = {"language": settings.asks_for_languages, "classifier": settings.classifier is not None}
    columns: dict[str, pl.DataType] = {}
    for name, is_used in models.items():
        if is_used and settings.keep_scores:
            columns |= {name: pl.String(), f"{name}_score": pl.Float32()}
    return columns


@dataclass
class _LazyCleaning:
    """Runs the engine over a lazy frame each time it is collected."""

    frame: pl.LazyFrame
    schema: pl.Schema
    settings: config.Clean
    summary: dict[str, Any] | None = None

    def batches(
        self,
        with_columns: list[str] | None,
        predicate: pl.Expr | None,
        n_rows: int | None,
        _batch_size: int | None,
    ) -> Iterator[pl.DataFrame]:
        """Give cleaned batches to Polars, with its projection, filter and limit applied."""
        import polars as pl

        from prepcore.transport import prepare, pushed_down, restore

        self.summary = None
        sent = prepare(self.frame, self.frame.collect_schema()).collect_batches()
        stream = engine.clean_stream(self.settings, sent)
        batches = (restore(pl.DataFrame(arrow), self.schema) for arrow in stream)
        yield from pushed_down(batches, with_columns, predicate, n_rows)
        # None where a limit stopped before the end.
        self.summary = engine.summary_of(stream)
        _warn_of_unreadable(self.summary or {})


def _clean_lazily(frame: pl.LazyFrame, settings: config.Clean) -> Cleaned[pl.LazyFrame]:
    """Make a lazy frame whose source is the engine reading another."""
    import polars as pl
    from polars.io.plugins import register_io_source

    from prepcore.transport import prepare

    schema = frame.collect_schema()
    # The engine looks at settings and columns now, not when somebody collects.
    empty = prepare(pl.LazyFrame(schema=schema), schema).collect()
    for _ in engine.clean_stream(settings, empty):
        pass
    cleaned = pl.Schema({**schema, **_score_columns(settings)})
    cleaning = _LazyCleaning(frame, cleaned, settings)
    lazy = register_io_source(cleaning.batches, schema=cleaned, explain_name="prepcore.clean")
    return Cleaned(lazy, lambda: cleaning.summary)


def _warn_of_unreadable(summary: dict[str, Any]) -> None:
    """Say aloud that rows are missing which no rule dropped."""
    if summary.get("unreadable"):
        warnings.warn(
            f"{summary['unreadable']:,} of {summary['documents']:,} rows have no text that can be read "
            "(null) and were left out",
            stacklevel=2,
        )
