"""Curves over the steps, or over another axis, as inline SVG, readable at any width.

Places along the axis are percentages and heights are pixels, so that letters and lines keep their size while
the picture is as wide as the screen. Colours come from the page's style, by day and by night.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from prepcore.report.inert import inert
from prepcore.report.reasons import number

Point = tuple[float, float]

HEIGHT = 220
"""Height of a chart, in pixels."""

TOP, BOTTOM = 12, 24
"""Room above the highest line, and below the lowest one for the labels of the axis, in pixels."""

BUCKETS = 300
"""Pieces of the axis of which each keeps its lowest and its highest point: more cannot be told apart."""

SMOOTHED_FROM = 80
"""Points from which a curve is drawn faintly, with its running mean over it."""

SHAPES = {
    "circle": "M-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0 -7 0Z",
    "square": "M-3.2 -3.2H3.2V3.2H-3.2Z",
    "triangle": "M0 -4.2L4.2 3.2H-4.2Z",
    "diamond": "M0 -4.6L4.6 0L0 4.6L-4.6 0Z",
    "wedge": "M0 4.2L4.2 -3.2H-4.2Z",
    "cross": "M-3.6 -3.6L3.6 3.6M-3.6 3.6L3.6 -3.6",
}
"""What a point is marked with, drawn around 0, in pixels."""

LOGARITHMIC = 30.0
"""Where the highest value is so many times the median the axis is logarithmic, lest the others lie flat."""


@dataclass(frozen=True)
class Curve:
    """A curve of a chart.

    Attributes
    ----------
    name
        What it is called in the legend.
    kind
        Its classes in the style, such as ``training`` or ``validation``.
    points
        Places along the axis and values, in their order along the axis.
    dots
        Whether each point is marked: few points that were measured, not many.
    smooth
        Whether a curve of many points is drawn with its running mean.
    shape
        What points are marked with: one of `SHAPES`.
    marks
        How many points of a curve without dots are marked, by which it is known without its colour.
    faint
        Whether what is smooth is drawn as it was, too, faintly.
    """

    name: str
    kind: str
    points: Sequence[Point]
    dots: bool = False
    smooth: bool = False
    shape: str = "circle"
    marks: int = 0
    faint: bool = True

    @property
    def smoothed(self) -> Sequence[Point]:
        """The points, or their running mean where it is drawn."""
        drawn_smooth = self.smooth and len(self.points) >= SMOOTHED_FROM
        return running_mean(self.points) if drawn_smooth else self.points


@dataclass(frozen=True)
class Scale:
    """The value axis: from what is lowest to what is highest, linear or logarithmic."""

    low: float
    high: float
    logarithmic: bool

    @classmethod
    def of(cls, values: Sequence[float]) -> Scale:
        """Choose the scale of some values."""
        low, high = min(values), max(values)
        median = sorted(values)[len(values) // 2]
        logarithmic = low > 0 and high > LOGARITHMIC * median
        if not logarithmic:
            room = (high - low) * 0.05 or abs(high) * 0.05 or 0.5
            # An axis that nearly reaches zero begins there.
            low = 0.0 if 0 <= low < 0.35 * high else low - room
            high += room
        return cls(low, high, logarithmic)

    def height(self, value: float) -> float:
        """Return how high a value stands, from 0 to 1."""
        low, high = self.low, self.high
        if self.logarithmic:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return (value - low) / (high - low) if high > low else 0.5

    def ticks(self) -> list[float]:
        """Return round values to draw lines at."""
        if self.logarithmic:
            powers = range(
                math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9) + 1
            )
            every = max(1, len(powers) // 5)
            ticks = [10.0**power for power in powers[::every]]
            if len(ticks) > 1:
                return ticks
            return [self.low, math.sqrt(self.low * self.high), self.high]
        return round_values(self.low, self.high)


def round_values(low: float, high: float, about: int = 5) -> list[float]:
    """Return some values of 1, 2 or 5 times a power of ten that lie between two others.

    Examples
    --------
    >>> round_values(0.0, 9.7)
    [0.0, 2.0, 4.0, 6.0, 8.0]
    """
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    # Rounded, for 3 * 0.1 is not 0.3.
    digits = max(0, 1 - math.floor(math.log10(step)))
    return [round(place * step, digits) for place in range(first, math.floor(high / step + 1e-9) + 1)]


def short(value: float) -> str:
    """Write a value of an axis so that it fits beside it.

    Examples
    --------
    >>> short(14000.0), short(2500000.0), short(0.00042), short(2.0)
    ('14k', '2.5M', '4.2e-04', '2')
    """
    for from_, unit, letter in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if abs(value) >= from_:
            return f"{value / unit:.4g}{letter}"
    if value and abs(value) < 1e-3:
        mantissa, _, exponent = f"{value:.1e}".partition("e")
        return f"{float(mantissa):g}e{exponent}"
    return number(value)


def by_step(step: float) -> str:
    """Write a step."""
    return f"{step:,.0f}"


@dataclass(frozen=True)
class Along:
    """The axis that curves run along.

    Attributes
    ----------
    name
        What it counts, with an article.
    write
        Writes a place for below the axis.
    point
        Writes a place for beside the value of a point.
    """

    name: str = "the optimizer steps"
    write: Callable[[float], str] = by_step
    point: Callable[[float], str] = "step {:,.0f}".format


STEPS = Along()
"""Optimizer steps, as an axis."""


def curves_chart(
    label: str,
    curves: Sequence[Curve],
    *,
    first: float = 0,
    last: float | None = None,
    write: Callable[[float], str] = short,
    along: Along = STEPS,
    legend: bool = True,
) -> str:
    """Draw curves over the steps, or along another axis.

    Parameters
    ----------
    label
        What the chart shows, for those who do not see it.
    curves
        Some may be empty; when all are, nothing is drawn.
    first, last
        What the axis spans; up to the last of the points where ``last`` is None.
    write
        Writes the values beside the axis.
    along
        The axis.
    legend
        Whether the curves are named below, where they are several.
    """
    curves = [curve for curve in curves if curve.points]
    if not curves:
        return ""
    if last is None:
        last = max(point[0] for curve in curves for point in curve.points)
    span = last - first or 1
    scale = Scale.of([value for curve in curves for _, value in curve.points])
    floor = HEIGHT - BOTTOM

    def down(value: float) -> float:
        return floor - scale.height(value) * (floor - TOP)

    def across(place: float) -> float:
        return 100 * (place - first) / span

    ticks = scale.ticks()
    names = "".join(
        f'<text x="100%" y="{down(tick) + 4:.1f}" text-anchor="end">{inert(write(tick))}</text>'
        for tick in ticks
    )
    drawn = [
        f'<line class="axis" x1="0" x2="100%" y1="{down(tick):.1f}" y2="{down(tick):.1f}"></line>'
        for tick in ticks
    ]
    drawn.append('<svg x="0" y="0" width="100%" height="100%" viewBox="0 0 100 ')
    drawn[-1] += f'{HEIGHT}" preserveAspectRatio="none">'
    for curve in curves:
        lines = [(curve.smoothed, curve.kind)]
        if lines[0][0] is not curve.points and curve.faint:
            lines.insert(0, (curve.points, f"{curve.kind} faint"))
        for points, kind in lines:
            path = " ".join(f"{across(place):.2f},{down(value):.1f}" for place, value in thinned(points))
            drawn.append(f'<polyline class="curve {kind}" points="{path}"></polyline>')
    drawn.append("</svg>")
    for curve in curves:
        drawn += [
            f'<svg class="dot {curve.kind}" x="{across(place):.2f}%" y="{down(value):.1f}">'
            f'<path d="{SHAPES[curve.shape]}"></path>'
            f"<title>{inert(f'{along.point(place)}: {curve.name} {value:.4g}')}</title></svg>"
            for place, value in _marked(curve)
        ]
    for order, place in enumerate(places := _places(first, last)):
        anchor = "start" if order == 0 else "end" if order == len(places) - 1 else "middle"
        drawn.append(
            f'<text x="{across(place):.2f}%" y="{HEIGHT - 6}" text-anchor="{anchor}">'
            f"{inert(along.write(place))}</text>"
        )
    named = inert(f"{label}, over {along.name}")
    keys = "".join(f'<span><i class="of-{curve.kind}"></i>{inert(curve.name)}</span>' for curve in curves)
    keys = keys if len(curves) > 1 and legend else ""
    note = "logarithmic axis" if scale.logarithmic else ""
    caption = f'<figcaption class="legend">{keys}{note}</figcaption>' if keys or note else ""
    return (
        f'<figure><div class="chart"><svg class="scale" aria-hidden="true" height="{HEIGHT}">{names}</svg>'
        f'<svg class="plot" role="img" aria-label="{named}" height="{HEIGHT}">{"".join(drawn)}</svg></div>'
        f"{caption}</figure>"
    )


def _marked(curve: Curve) -> Sequence[Point]:
    """Return the points of a curve that are marked."""
    points = curve.smoothed
    # A single point makes no line.
    if curve.dots or len(points) == 1:
        return points
    count = min(curve.marks, len(points))
    # In the middle of as many pieces, lest curves that begin or end together hide each other there.
    return [points[(2 * piece + 1) * len(points) // (2 * count)] for piece in range(count)]


def thinned(points: Sequence[Point]) -> list[Point]:
    """Keep the lowest and the highest point of each piece of a curve, in their order."""
    if len(points) <= 2 * BUCKETS:
        return list(points)
    kept = []
    for bucket in range(BUCKETS):
        piece = points[bucket * len(points) // BUCKETS : (bucket + 1) * len(points) // BUCKETS]
        lowest, highest = (choose(piece, key=lambda point: point[1]) for choose in (min, max))
        kept += sorted({lowest, highest})
    return kept


def running_mean(points: Sequence[Point]) -> list[Point]:
    """Return the mean of each point and those around it, a fortieth of all, fewer where the curve ends."""
    reach = max(1, len(points) // 80)
    sums = [0.0]
    for _, value in points:
        sums.append(sums[-1] + value)
    means = []
    for place, (at, _) in enumerate(points):
        around = min(reach, place, len(points) - 1 - place)
        low, high = place - around, place + around + 1
        means.append((at, (sums[high] - sums[low]) / (high - low)))
    return means


def _places(first: float, last: float) -> list[float]:
    """Return the places to name under the axis: its ends and what is round between them."""
    if last <= first:
        return [first]
    inner: list[float] = round_values(first, last, about=4)
    if isinstance(first, int) and isinstance(last, int):
        inner = [int(place) for place in inner] if last > first + 3 else []
    margin = 0.14 * (last - first)
    return [first, *(place for place in inner if first + margin < place < last - margin), last]
