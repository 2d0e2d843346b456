"""Values that people write with a unit: shares (`0.1%`), sizes (`1GiB`), lists (`a,b`)."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_UNITS |= {"kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}

_THOUSANDS = {"": 0, "k": 3, "m": 6, "b": 9, "g": 9, "t": 12}

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


def parse_amount(value: Any) -> Fraction:
    """Convert ``5B``, ``300M``, ``1.5e9``, ``0.7`` or ``70%`` to the exact number; B and G are 10^9.

    Raises
    ------
    ValueError
        When it is not a number of at least 0.
    """
    text = str(value).strip().replace("_", "").replace(",", "")
    match = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)(?:[eE]([+-]?\d{1,3}))?\s*([kKmMbBgGtT]?|%)", text)
    if not match:
        raise ValueError(f"{str(value)!r} is not a number such as 5B, 300M, 1.5e9 or 0.7")
    exponent = -2 if match[3] == "%" else _THOUSANDS[match[3].lower()]
    return Fraction(match[1].rstrip(".")) * Fraction(10) ** (int(match[2] or 0) + exponent)


def parse_count(value: Any) -> int:
    """Convert ``5B``, ``300M``, ``1.5e9`` or a whole number to a whole number of at least 1.

    Raises
    ------
    ValueError
        When it is none, or is above 2^60.
    """
    amount = parse_amount(value)
    if amount.denominator != 1 or not 1 <= amount <= _LARGEST:
        raise ValueError(f"{str(value)!r} is not a whole number of at least 1, such as 5B or 300M")
    return int(amount)


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
