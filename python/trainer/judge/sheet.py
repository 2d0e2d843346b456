"""A blinded sheet for people: a CSV file to fill in, and a key that stays with whoever sent it out."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prepcore.arguments import UsageError
from trainer.evaluate.records import LARGEST_CELL
from trainer.judge.journal import write_json
from trainer.judge.judgments import Order, Pair
from trainer.judge.statistics import Compared
from trainer.judge.verdict import Verdict

FORMAT = "trainer.judging-key"

COLUMNS = ("id", "prompt", "answer 1", "answer 2", "verdict")

VERDICTS: dict[str, Verdict] = {"1": "first", "1.0": "first", "2": "second", "2.0": "second", "tie": "tie"}
"""What people write; spreadsheets like to make numbers of it."""

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet take a cell for a formula (OWASP, *CSV Injection*)."""


@dataclass(frozen=True)
class Key:
    """What a sheet does not tell.

    Attributes
    ----------
    names
        What A and B are called.
    rows
        By the id of a row: the order of its answers, and the lengths of A's and B's.
    about
        What else the results should say: checkpoints, prompts, sampling.
    """

    names: dict[str, str]
    rows: dict[str, dict[str, Any]]
    about: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> Key:
        """Read a key.

        Raises
        ------
        UsageError
            When it is not there, or is none.
        """
        hint = "the key was written beside the sheet; --human-key names it"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"the sheet's key {path} cannot be read: {error}", hint) from error
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise UsageError(f"{path} is no key of a sheet", hint)
        return cls(content["names"], content["rows"], content["about"])


def key_path(sheet: Path) -> Path:
    """Return where the key of a sheet lies."""
    return sheet.with_name(f"{sheet.stem}.key.json")


def write_sheet(
    path: Path, pairs: Sequence[Pair], names: dict[str, str], about: dict[str, Any], *, seed: int
) -> None:
    """Write a sheet and its key, both whole or not at all; the key first.

    Parameters
    ----------
    path
        The sheet.
    pairs
        What is compared; rows stand in an order drawn by the seed, and so do the answers within each.
    names
        What A and B are called; the sheet does not say.
    about
        For the key.
    seed
        Of both orders.
    """
    draws = random.Random(seed)
    order = list(range(len(pairs)))
    draws.shuffle(order)
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(COLUMNS)
    key = {}
    for place, number in enumerate(order, start=1):
        pair = pairs[number]
        shown: Order = "ab" if draws.random() < 0.5 else "ba"
        rows.writerow([place, *map(no_formula, (pair.prompt, *pair.shown(shown))), ""])
        key[str(place)] = {"order": shown, "lengths": [len(pair.a), len(pair.b)], "pair": pair.digest}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(key_path(path), {"format": FORMAT, "version": 1, "names": names, "rows": key, "about": about})
    partial = path.with_name(f".{path.name}.partial")
    # With a byte order mark, without which Excel takes UTF-8 for the encoding of the country.
    partial.write_bytes(text.getvalue().encode("utf-8-sig"))
    partial.replace(path)


def no_formula(text: str) -> str:
    """Keep a spreadsheet from computing a text: an apostrophe makes it text."""
    return f"'{text}" if text.lstrip(" \n").startswith(FORMULA) else text


def read_sheet(path: Path, key: Key) -> tuple[list[Compared], int]:
    """Read a sheet that was filled in, all of it or a part.

    Programs write CSV in several ways: with commas, semicolons or tabs, in UTF-8 or UTF-16 or the encoding of
    a country. Only ids and verdicts are read, which look the same in all of them.

    Returns
    -------
    tuple
        What was judged, and how many rows are still empty.

    Raises
    ------
    UsageError
        When the file is no such sheet, a row is not in the key or stands twice, or a verdict is none, naming
        the row.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"--human-read {path} cannot be read: {error}", "wanted the sheet") from error
    wide = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    text = data.decode("utf-16" if wide else "utf-8-sig", errors="replace")
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    csv.field_size_limit(LARGEST_CELL)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    header = [name.strip().lower() for name in next(lines, [])]
    if "id" not in header or "verdict" not in header:
        raise UsageError(f"{path} has no columns id and verdict", "wanted a sheet that --human wrote")
    found: dict[str, Compared] = {}
    empty = set(key.rows)
    for cells in lines:
        values = dict(zip(header, cells, strict=False))
        name = values.get("id", "").strip().removesuffix(".0")
        if not any(cell.strip() for cell in cells):
            continue
        place = f"{path.name}, row with id {name!r}"
        if name not in key.rows:
            raise UsageError(f"{place}: the key has no such row", "is it the key of this sheet?")
        if name in found:
            raise UsageError(f"{place} stands twice")
        word = values.get("verdict", "").strip().lower()
        if not word:
            continue
        if word not in VERDICTS:
            raise UsageError(f"{place}: verdict is {word[:40]!r}, wanted 1, 2, tie or nothing")
        row = key.rows[name]
        found[name] = Compared(((row["order"], VERDICTS[word]),), (row["lengths"][0], row["lengths"][1]))
        empty.discard(name)
    return list(found.values()), len(empty)
