"""Figures in words, as the page writes them."""

from __future__ import annotations

import json
from typing import Any

LISTED = 30
"""Rows of a table that grows with the run; the newest are shown, and files have the others."""


def count(value: float) -> str:
    """Write a count as people say it.

    Examples
    --------
    >>> count(248013824), count(1234), count(1.5e12)
    ('248 M', '1,234', '1,500 B')
    """
    for factor, letter in ((1e9, "B"), (1e6, "M")):
        if value >= factor:
            amount = value / factor
            return f"{amount:,.0f} {letter}" if amount >= 100 else f"{amount:.3g} {letter}"
    return f"{value:,.0f}"


def figure(text: str | None, digits: int) -> str:
    """Write a figure of a log; a hyphen where there is none."""
    return f"{float(text):,.{digits}f}" if text else "-"


def sentence(line: str) -> str:
    """Begin a line with a capital, unless it begins with a name, and end it with a full stop.

    Examples
    --------
    >>> sentence("all is well"), sentence("runs/demo is not there"), sentence("acc_norm is it.")
    ('All is well.', 'runs/demo is not there.', 'acc_norm is it.')
    """
    first = line.partition(" ")[0]
    line = line[:1].upper() + line[1:] if first.isalpha() else line
    return line if line.endswith(".") else f"{line}."


def value_of(value: Any) -> str:
    """Write a value as YAML has it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
