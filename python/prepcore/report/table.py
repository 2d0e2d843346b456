"""Tables on the terminal: with `rich` where somebody looks, plain and aligned where a program reads."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from prepcore.arguments import printable


@dataclass(frozen=True)
class Table:
    """A table to print.

    Attributes
    ----------
    title
        A line above it.
    headers
        Names of the columns; empty ones are fine.
    rows
        Cells; the first column stands to the left, the others to the right unless they are in `texts`.
    texts
        Numbers of other columns that stand to the left.
    """

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: Sequence[int] = field(default=())


def show(tables: Sequence[Table], notes: Sequence[str] = ()) -> None:
    """Print tables and then sentences on standard output, which no text in them can steer."""
    if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        _show_rich(tables, notes)
        return
    for table in tables:
        sys.stdout.write(printable(plain(table)) + "\n")
    for note in notes:
        sys.stdout.write(printable(note) + "\n")


def plain(table: Table) -> str:
    """Lay a table out with spaces alone."""
    head = [table.headers] if any(table.headers) else []
    cells = [[_one_line(cell) for cell in row] for row in [*head, *table.rows]]
    widths = [max((len(row[column]) for row in cells), default=0) for column in range(len(table.headers))]
    lines = [table.title]
    for row in cells:
        aligned = [
            cell.ljust(width) if column == 0 or column in table.texts else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  " + "  ".join(aligned).rstrip())
    return "\n".join(lines) + "\n"


def _show_rich(tables: Sequence[Table], notes: Sequence[str]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table as Rich
    from rich.text import Text

    console = Console(highlight=False)
    for table in tables:
        # As `Text`, brackets in names are no markup.
        drawn = Rich(
            title=Text(printable(table.title)),
            title_justify="left",
            box=box.SIMPLE_HEAD,
            show_header=any(table.headers),
        )
        for column, header in enumerate(table.headers):
            left = column == 0 or column in table.texts
            drawn.add_column(Text(header), justify="left" if left else "right", overflow="fold")
        for row in table.rows:
            drawn.add_row(*(Text(printable(_one_line(cell))) for cell in row))
        console.print(drawn)
    for note in notes:
        console.print(Text(printable(note)))


def _one_line(cell: str) -> str:
    return cell.replace("\n", "\\n").replace("\t", "\\t")
