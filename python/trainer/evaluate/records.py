"""Files of records that users bring: JSON lines, or CSV with a header; without torch."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prepcore.arguments import UsageError

LARGEST_CELL = 2**27
"""Characters of the largest cell of a CSV file; the library's own limit is 131,072."""


@dataclass(frozen=True)
class Record:
    """One record and where it stands.

    Attributes
    ----------
    place
        For messages: ``questions.jsonl, line 7``.
    values
        By name.
    """

    place: str
    values: Mapping[str, Any]

    def text(self, name: str) -> str:
        """Return the text of a field; a number counts as it is written.

        Raises
        ------
        UsageError
            When there is no such field, or it holds something else.
        """
        if name not in self.values:
            there = ", ".join(map(str, self.values)) or "nothing"
            raise UsageError(f"{self.place}: there is no {name!r}", f"the record has {there}")
        return as_text(self.values[name], self.place, name)


def as_text(value: Any, place: str, name: str) -> str:
    """Return text as it is, and a number as it is written.

    Raises
    ------
    UsageError
        When the value is neither.
    """
    if isinstance(value, str):
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise UsageError(f"{place}: {name} has half of a surrogate pair, which is no character")
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise UsageError(f"{place}: {name} is {json.dumps(value, ensure_ascii=False)[:60]}, wanted text")


def read_records(path: Path, option: str) -> list[Record]:
    """Read a file of records: CSV by its name (``.csv``, ``.tsv``), and JSON lines otherwise.

    Empty lines are skipped.

    Parameters
    ----------
    path
        In UTF-8, with or without a byte order mark.
    option
        Name of the option that chose it.

    Raises
    ------
    UsageError
        When it cannot be read, has no record, or a line is not one, naming the line.
    """
    text = read_text(path, option)
    table = path.suffix.lower() in (".csv", ".tsv")
    records = list(_rows(text, path) if table else _lines(text, path))
    if not records:
        raise UsageError(f"--{option} {path} has no record", "wanted one a line")
    return records


def read_text(path: Path, option: str) -> str:
    """Read a text file in UTF-8.

    Raises
    ------
    UsageError
        When it cannot be read.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--{option} {path} cannot be read: {error}", "wanted a file in UTF-8") from error


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _lines(text: str, path: Path) -> Iterator[Record]:
    # Only line feeds end a line of JSON: texts may hold other separators.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        place = f"{path.name}, line {number}"
        try:
            values = json.loads(line)
        except ValueError as error:
            raise UsageError(f"{place} is not JSON: {error}", "wanted a JSON object a line") from error
        if not isinstance(values, dict):
            raise UsageError(f"{place} is {line.strip()[:60]}, wanted a JSON object")
        yield Record(place, values)


def _rows(text: str, path: Path) -> Iterator[Record]:
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    csv.field_size_limit(LARGEST_CELL)
    # Line ends within quotes stay as they are.
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = next(rows, [])
        if len(set(header)) != len(header):
            twice = next(name for name in header if header.count(name) > 1)
            raise UsageError(f"{path.name}: column {twice!r} stands twice in the header")
        for row in rows:
            place = f"{path.name}, line {rows.line_num}"
            if not any(row):
                continue
            if len(row) != len(header):
                raise UsageError(
                    f"{place} has {len(row)} cells, wanted {len(header)} as in the header",
                    "put cells that hold the delimiter or a line end in double quotes",
                )
            yield Record(place, dict(zip(header, row, strict=True)))
    except csv.Error as error:
        raise UsageError(f"{path.name}, line {rows.line_num} is not CSV: {error}") from error
