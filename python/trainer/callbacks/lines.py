"""The logs of a run: plain CSV files, lines that begin with a step."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

Line = Mapping[str, str | float | int | None]


def append(path: Path, columns: Sequence[str], line: Line) -> None:
    """Add a line to a log, and the names of the columns before the first one."""
    new = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        if new:
            writer.writeheader()
        writer.writerow(line)


def read(path: Path) -> list[dict[str, str]]:
    """Read the lines of a log; what was not measured is an empty text."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def cut_after(path: Path, columns: Sequence[str], step: int) -> None:
    """Remove the lines of steps after ``step``, which a run that continues will do again.

    A log that was begun with other columns, by an earlier version, gets those of this one.
    """
    lines = read(path)
    kept = [line for line in lines if int(line["step"]) <= step]
    if not lines or (len(kept) == len(lines) and tuple(lines[0]) == tuple(columns)):
        return
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    if not kept:
        path.unlink()
        return
    for line in kept:
        append(partial, columns, {name: line.get(name) for name in columns})
    partial.replace(path)
