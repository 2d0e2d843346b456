"""Reasons and thresholds in words, and the order in which documents meet them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

WITHOUT_CHECK = {
    "where": "it does not meet the condition of --where",
    "duplicate": "the same text came before in this input; the first document stays",
    "against": "a folder named with --against holds the same text",
}
"""Reasons that no rule measures, in their order."""

_WORDS = {"at_least": "at least", "at_most": "at most", "above": "above"}
_MISSED = {"at_least": "less than", "at_most": "more than", "above": "no more than"}


def in_order(reasons: Iterable[str], checks: Iterable[Mapping[str, Any]]) -> list[str]:
    """Sort reasons by the order in which documents meet them; those that nothing knows follow by name."""
    order = [check["reason"] for check in checks]
    place = {reason: number for number, reason in reversed(list(enumerate(order)))}
    return sorted(reasons, key=lambda reason: (place.get(reason, len(order)), reason))


def wanted(check: Mapping[str, Any]) -> str:
    """Say what passes a check.

    Examples
    --------
    >>> wanted({"wanted": "at_least", "threshold": 3.0})
    'at least 3'
    >>> wanted({"wanted": "one_of", "threshold": ["en", "de"]})
    'one of en, de'
    """
    if check["wanted"] == "one_of":
        return f"one of {', '.join(check['threshold'])}"
    return f"{_WORDS[check['wanted']]} {number(check['threshold'])}"


def missed(check: Mapping[str, Any]) -> str:
    """Say what was measured in a document that a check drops.

    Examples
    --------
    >>> missed({"measure": "lines", "wanted": "at_least", "threshold": 3.0})
    '`lines` is less than the threshold, 3'
    """
    if check["wanted"] == "one_of":
        return f"the label found is not {wanted(check)}"
    return f"`{check['measure']}` is {_MISSED[check['wanted']]} the threshold, {number(check['threshold'])}"


def number(value: float | None) -> str:
    """Write a value as short as it may be.

    Examples
    --------
    >>> number(3.0), number(0.123456), number(12345.0), number(None)
    ('3', '0.1235', '12,345', '-')
    """
    if value is None:
        return "-"
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.4g}"


def share(count: float, whole: float) -> str:
    """Write a share of a whole in percent, and a small one that is not nothing as such."""
    if not whole:
        return "-"
    percent = 100 * count / whole
    return "< 0.1%" if 0 < percent < 0.1 else f"{percent:.1f}%"


def size(count: float) -> str:
    """Write a number of bytes in decimal units, as disks are sold."""
    for unit, factor in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= factor:
            return f"{count / factor:,.1f} {unit}"
    return f"{count:,.0f} bytes"
