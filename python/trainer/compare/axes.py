"""The axes that curves are drawn over: their names, and how places along them are written."""

from __future__ import annotations

from trainer.report.charts import Along, by_step, short

UNITS = (("ZFLOP", 1e21), ("EFLOP", 1e18), ("PFLOP", 1e15), ("TFLOP", 1e12), ("GFLOP", 1e9), ("MFLOP", 1e6))
"""Floating-point operations, 10²¹ and so on down."""


def operations(count: float) -> str:
    """Write a number of floating-point operations.

    Examples
    --------
    >>> operations(2.74e12), operations(1.5e19), operations(0)
    ('2.74 TFLOP', '15 EFLOP', '0')
    """
    for unit, factor in UNITS:
        if count >= factor:
            return f"{count / factor:.3g} {unit}"
    return f"{count:.3g}"


def duration(hours: float) -> str:
    """Write a time in the unit in which it is a small number.

    Examples
    --------
    >>> duration(12.5), duration(0.5), duration(0.005), duration(0)
    ('12.5 h', '30 min', '18 s', '0')
    """
    for unit, in_hour in (("h", 1.0), ("min", 60.0), ("s", 3600.0)):
        if hours * in_hour >= 1:
            return f"{hours * in_hour:,.3g} {unit}"
    return f"{hours * 3600:.2g} s" if hours else "0"


ALONG = {
    "tokens": Along("the tokens seen", short, lambda place: f"{short(place)} tokens"),
    "flops": Along("the floating-point operations", operations, operations),
    "hours": Along("the time of training", duration, duration),
    "steps": Along("the optimizer steps", by_step, lambda place: f"step {by_step(place)}"),
}
"""The axes by the names of their options."""

TITLES = {"tokens": "Tokens", "flops": "FLOPs", "hours": "Hours", "steps": "Steps"}
"""What a switch calls them."""
