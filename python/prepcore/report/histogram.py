"""Histograms of what a check measured: the values dropped and those kept, over the same bins."""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping, Sequence
from typing import Any

BINS = 32
"""Bins of a histogram, unless the values are few whole numbers."""

_LONG_TAIL = 20.0
"""Where values reach so many times the threshold the axis is logarithmic, lest one bin hold all."""


def of(check: Mapping[str, Any], dropped: Sequence[float], kept: Sequence[float]) -> dict[str, Any]:
    """Count values by bin.

    Parameters
    ----------
    check
        The check, with a number as its ``threshold``.
    dropped
        Values of documents that this check has dropped.
    kept
        Values of kept documents; may be empty.

    Returns
    -------
    dict
        ``edges`` (one more than bins), ``dropped`` and ``kept`` (counts by bin), ``threshold``, ``border``
        (where to draw it: between whole numbers where the bins are these), ``scale`` (``linear`` or
        ``log``). The last bin holds what lies behind it, too.
    """
    threshold = float(check["threshold"])
    values = sorted(value for value in (*dropped, *kept) if value is not None and math.isfinite(value))
    low = min(values[0] if values else 0.0, threshold)
    high = max(_quantile(values, 0.98) if values else 0.0, threshold, low)
    whole = all(value.is_integer() for value in values) and threshold.is_integer()
    scale, border = "linear", threshold
    if whole and high - low < BINS:
        edges = [low - 0.5 + step for step in range(int(high - low) + 2)]
        border = threshold + (0.5 if check["wanted"] in ("at_most", "above") else -0.5)
    elif low >= 0 and high > _LONG_TAIL * max(threshold, 1.0):
        scale = "log"
        start, end = math.log1p(low), math.log1p(high)
        edges = [math.expm1(start + (end - start) * step / BINS) for step in range(BINS + 1)]
    else:
        width = (high - low) / BINS or 1.0
        edges = [low + width * step for step in range(BINS + 1)]
    return {
        "edges": edges,
        "dropped": _counts(dropped, edges),
        "kept": _counts(kept, edges),
        "threshold": threshold,
        "border": border,
        "scale": scale,
    }


def position(histogram: Mapping[str, Any], value: float) -> float:
    """Return where a value stands on the axis, from 0 to 1."""
    first, last = histogram["edges"][0], histogram["edges"][-1]
    value = min(max(value, first), last)
    if histogram["scale"] == "log":
        first, last, value = math.log1p(first), math.log1p(last), math.log1p(value)
    return (value - first) / (last - first) if last > first else 0.0


def _counts(values: Sequence[float], edges: Sequence[float]) -> list[int]:
    """Count values by bin; what lies outside is counted in the first or the last."""
    counts = [0] * (len(edges) - 1)
    for value in values:
        if value is not None and not math.isnan(value):
            place = bisect.bisect_right(edges, value) - 1
            counts[min(max(place, 0), len(counts) - 1)] += 1
    return counts


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]
