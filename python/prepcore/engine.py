"""The way to the Rust engine: loaded on first use, with a clear message where it was not built."""

from __future__ import annotations

import dataclasses
import json
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from prepcore.config import Clean, Pack, Settings

if TYPE_CHECKING:
    from prepcore._core import CleanedStream


class EngineMissingError(ImportError):
    """The Rust extension is not there; the program exits with 2."""

    exit_code = 2


def core() -> ModuleType:
    """Return the extension module `prepcore._core`.

    Raises
    ------
    EngineMissingError
        When the package runs from its sources and the extension was not built.
    """
    try:
        from prepcore import _core
    except ImportError as error:
        raise EngineMissingError(
            f"the Rust extension prepcore._core cannot be loaded ({error})\n"
            "hint: in a clone, run 'make' or 'maturin develop --release'"
        ) from error
    return _core


class Ran(NamedTuple):
    """What a run came to."""

    outcome: str
    """``finished``, ``finished_before`` (nothing was done) or ``waiting`` (for other shards)."""

    document: dict[str, Any]
    """The manifest; while waiting, for what (see `docs/running.md`)."""


def run(verb: str, settings: Settings, inputs: list[str], out: str, progress: Any = None) -> Ran:
    """Run a verb from files to a folder.

    Parameters
    ----------
    verb
        ``clean``, ``pack`` or ``tokenizer``.
    settings
        The verb's settings.
    inputs
        Files, folders and globs, in order.
    out
        The folder to write.
    progress
        Called at most about ten times a second with a dict: ``stage``, ``documents``, ``kept``, ``bytes``,
        ``bytes_total``, ``unreadable``; or None.
    """
    engine = getattr(core(), verb)
    ran = engine(_json(settings), inputs, out, progress, *_condition(settings))
    outcome, text = ran if isinstance(ran, tuple) else ("finished", ran)
    return Ran(outcome, json.loads(text))


def plan(verb: str, settings: Settings, inputs: list[str], out: str) -> dict[str, Any]:
    """Return what `run` would read and write: files, kind, segments, parts, bytes, free space."""
    text = core().plan(verb, _json(settings), inputs, out, *_condition(settings))
    planned: dict[str, Any] = json.loads(text)
    return planned


def clean_stream(settings: Clean, stream: object) -> CleanedStream:
    """Start cleaning an Arrow stream."""
    cleaned: CleanedStream = core().clean_stream(_json(settings), stream, *_condition(settings))
    return cleaned


def pack_stream(settings: Pack, stream: object) -> CleanedStream:
    """Start packing an Arrow stream of documents into one of rows."""
    packed: CleanedStream = core().pack_stream(_json(settings), stream)
    return packed


def measure(settings: Clean, stream: object) -> CleanedStream:
    """Start measuring an Arrow stream."""
    measured: CleanedStream = core().measure(_json(settings), stream)
    return measured


def _json(settings: Settings) -> str:
    """Return the settings as the engine reads them, with the default language model where one is needed."""
    from prepcore.config import Clean

    if isinstance(settings, Clean) and settings.language_model is None and settings.asks_for_languages:
        from prepcore.models import default_language_model

        settings = dataclasses.replace(settings, language_model=default_language_model())
    return settings.engine_json()


def _condition(settings: Settings) -> tuple[Any, ...]:
    """Return what evaluates the settings' condition, where they have one."""
    where = getattr(settings, "where", None)
    if where is None:
        return ()
    from prepcore.condition import evaluator

    return (evaluator(where),)


def summary_of(stream: Any) -> dict[str, Any] | None:
    """Return the counts of a stream that was read to its end; None before."""
    text = stream.summary()
    summary: dict[str, Any] | None = json.loads(text) if text else None
    return summary
