"""The pictures of a report as inline SVG. Sizes are attributes: the page allows no styles but its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from prepcore.report.histogram import position
from prepcore.report.inert import inert
from prepcore.report.reasons import number, wanted

_HEIGHT, _TOP, _BOTTOM = 190, 26, 24
"""Height of a histogram, and the room above and below its bars, in pixels."""

_LABELS = 4
"""Pieces into which the labels of an axis cut it."""


def bar(parts: Sequence[tuple[str, float, float]], label: str) -> str:
    """Draw one line of the waterfall.

    Parameters
    ----------
    parts
        Class, start and width of each piece, as shares of the whole line.
    label
        What it shows, for those who do not see it.
    """
    pieces = "".join(
        f'<rect class="{kind}" x="{100 * start:.3f}%" width="{max(100 * width, 0.25 if width else 0):.3f}%" '
        'y="0" height="100%" rx="2"></rect>'
        for kind, start, width in parts
        if width > 0
    )
    return f'<svg class="bar" role="img" aria-label="{inert(label)}" height="18">{pieces}</svg>'


def histogram_chart(check: Mapping[str, Any], histogram: Mapping[str, Any]) -> str:
    """Draw a histogram with the threshold in it; the bars of each kind add up to all of that kind.

    Places along the axis are percentages, so that letters keep their size on any screen.
    """
    floor, room = _HEIGHT - _BOTTOM, _HEIGHT - _BOTTOM - _TOP
    heights = {kind: _shares(histogram[kind]) for kind in ("kept", "dropped")}
    highest = max([*heights["kept"], *heights["dropped"], 1e-9])
    drawn = [f'<line class="axis" x1="0" x2="100%" y1="{floor}" y2="{floor}"></line>']
    edges = histogram["edges"]
    for place in range(len(edges) - 1):
        left = 100 * position(histogram, edges[place])
        width = 100 * position(histogram, edges[place + 1]) - left
        # Side by side, so that neither hides the other.
        for offset, kind in ((0.04, "dropped"), (0.5, "kept")):
            height = room * heights[kind][place] / highest
            if height:
                height = max(height, 1.0)
                drawn.append(
                    f'<rect class="{kind}-bar" x="{left + width * offset:.2f}%" width="{width * 0.44:.2f}%" '
                    f'y="{floor - height:.1f}" height="{height:.1f}">'
                    f"<title>{inert(_bin(histogram, place, kind))}</title></rect>"
                )
    border = 100 * position(histogram, histogram["border"])
    anchor, beside = ("start", 5) if border < 60 else ("end", -5)
    drawn.append(
        f'<line class="threshold" x1="{border:.2f}%" x2="{border:.2f}%" y1="4" y2="{floor}"></line>'
        f'<text class="mark" x="{border:.2f}%" dx="{beside}" y="14" text-anchor="{anchor}">'
        f"kept: {inert(wanted(check))}</text>"
    )
    drawn += _axis(histogram, floor)
    label = f"histogram of the values measured for {check['reason']}; kept is what is {wanted(check)}"
    return f'<svg role="img" aria-label="{inert(label)}" height="{_HEIGHT}">{"".join(drawn)}</svg>'


def _axis(histogram: Mapping[str, Any], floor: float) -> list[str]:
    """Write a few values under the axis: of bins that are whole numbers the number, of others the border."""
    edges, last = histogram["edges"], len(histogram["edges"]) - 1
    whole = histogram["border"] != histogram["threshold"]
    labels = []
    for place in sorted({round(step * last / _LABELS) for step in range(_LABELS + 1)}):
        value, anchor = edges[place] + (0.5 if whole else 0.0), "middle"
        if place == 0:
            anchor = "start"
        elif place == last:
            anchor, value = "end", value - (1 if whole else 0)
        text = number(value if whole else float(f"{value:.2g}"))
        at = 100 * position(histogram, edges[place])
        more = "+" if place == last else ""
        labels.append(f'<text x="{at:.2f}%" y="{floor + 16}" text-anchor="{anchor}">{text}{more}</text>')
    return labels


def _bin(histogram: Mapping[str, Any], place: int, kind: str) -> str:
    first, last = histogram["edges"][place], histogram["edges"][place + 1]
    return f"{number(first)} to {number(last)}: {histogram[kind][place]:,} {kind}"


def _shares(counts: Sequence[int]) -> list[float]:
    total = sum(counts) or 1
    return [count / total for count in counts]
