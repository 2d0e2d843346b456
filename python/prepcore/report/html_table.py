"""Tables in a page; every cell is made inert."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from prepcore.report.inert import inert


def html_table(
    headers: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numbers: Sequence[int] = (),
    marked: Iterable[int] = (),
    header: bool = True,
) -> str:
    """Lay a table out.

    Parameters
    ----------
    headers
        Names of the columns.
    rows
        Cells, as many in each row as there are headers.
    numbers
        Columns that stand to the right.
    marked
        Rows that stand out.
    header
        Whether the names of the columns are shown.
    """
    kinds = ['class="number"' if place in numbers else "" for place in range(len(headers))]
    marked = set(marked)
    top = "".join(f"<th {kind}>{inert(name)}</th>" for name, kind in zip(headers, kinds, strict=True))
    lines = []
    for place, row in enumerate(rows):
        cells = "".join(f"<td {kind}>{inert(cell)}</td>" for cell, kind in zip(row, kinds, strict=True))
        kind = ' class="changed"' if place in marked else ""
        lines.append(f"<tr{kind}>{cells}</tr>")
    shown = f"<thead><tr>{top}</tr></thead>" if header else ""
    return f'<div class="scroll"><table>{shown}<tbody>{"".join(lines)}</tbody></table></div>'
