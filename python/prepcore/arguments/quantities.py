"""Values that people write with a unit: shares (`0.1%`), sizes (`1GiB`), lists (`a,b`)."""

from __future__ import annotations

import re
from typing import Any

_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_UNITS |= {"kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}

_LARGEST = 2**60
"""More bytes than this are a slip of the finger, and no machine word."""


def parse_share(value: Any) -> float:
    """Convert ``5%``, ``0.05`` or a number to a share from 0 to 1.

    Raises
    ------
    ValueError
        When it is not a number, or lies outside 0 to 1.
    """
    text = str(value).strip()
    try:
        share = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        share = -1.0
    if isinstance(value, bool) or not 0.0 <= share <= 1.0:
        raise ValueError(f"{text!r} is not a share from 0 to 1, such as 0.05 or 5%")
    return share


def parse_size(value: Any) -> int:
    """Convert ``512MiB``, ``1.5 GB`` or a number of bytes to bytes; KiB is 1,024 bytes and kB 1,000.

    Raises
    ------
    ValueError
        When it is not a positive size.
    """
    text = str(value).strip()
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", text)
    factor = _UNITS.get(match[2].lower()) if match else None
    size = float(match[1]) * factor if match and factor else 0.0
    if not 1 <= size <= _LARGEST:
        raise ValueError(f"{text!r} is not a size, such as 512MiB, 2GiB or a number of bytes")
    return int(size)


def check_size(value: Any) -> str:
    """Return a size as it was written, for those who read units themselves, once `parse_size` accepts it.

    Raises
    ------
    ValueError
        When it is not a positive size.
    """
    parse_size(value)
    return str(value).strip()


def parse_list(value: Any) -> list[str]:
    """Convert ``a,b`` to ``["a", "b"]``; a list stays one.

    Raises
    ------
    ValueError
        When an item is empty or is not text.
    """
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not all(
        isinstance(item, str) and item.strip() for item in items
    ):
        raise ValueError(f"{value!r} is not a list of names, such as a,b")
    return [item.strip() for item in items]
