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


def value_of(value: Any) -> str:
    """Write a value as YAML has it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
