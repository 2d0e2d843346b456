"""Curves over the steps as inline SVG, readable at any width.

Places along the steps are percentages and heights are pixels, so that letters and lines keep their size while
the picture is as wide as the screen. Colours come from the page's style, by day and by night.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from prepcore.report.inert import inert
from prepcore.report.reasons import number

Point = tuple[int, float]

HEIGHT = 220
"""Height of a chart, in pixels."""

TOP, BOTTOM = 12, 24
"""Room above the highest line, and below the lowest one for the labels of the steps, in pixels."""

BUCKETS = 300
"""Pieces of the axis of which each keeps its lowest and its highest point: more cannot be told apart."""

SMOOTHED_FROM = 80
"""Points from which a curve is drawn faintly, with its running mean over it."""

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
        Its class in the style: ``training`` or ``validation``.
    points
        Steps and values, in the order of the steps.
    dots
        Whether each point is marked: few points that were measured, not many.
    smooth
        Whether a curve of many points is drawn with its running mean.
    """

    name: str
    kind: str
    points: Sequence[Point]
    dots: bool = False
    smooth: bool = False


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
    >>> short(14000.0), short(2500000.0), short(0.00003), short(2.0)
    ('14k', '2.5M', '3e-05', '2')
    """
    for from_, unit, letter in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if abs(value) >= from_:
            return f"{value / unit:.4g}{letter}"
    if value and abs(value) < 1e-4:
        mantissa, _, exponent = f"{value:.1e}".partition("e")
        return f"{float(mantissa):g}e{exponent}"
    return number(value)


def curves_chart(
    label: str,
    curves: Sequence[Curve],
    *,
    first: int = 0,
    last: int | None = None,
    write: Callable[[float], str] = short,
) -> str:
    """Draw curves over the steps.

    Parameters
    ----------
    label
        What the chart shows, for those who do not see it.
    curves
        Some may be empty; when all are, nothing is drawn.
    first, last
        The steps that the axis spans; those of the points where ``last`` is None.
    write
        Writes the values beside the axis.
    """
    curves = [curve for curve in curves if curve.points]
    if not curves:
        return ""
    if last is None:
        last = max(point[0] for curve in curves for point in curve.points)
    span = max(1, last - first)
    scale = Scale.of([value for curve in curves for _, value in curve.points])
    floor = HEIGHT - BOTTOM

    def down(value: float) -> float:
        return floor - scale.height(value) * (floor - TOP)

    def along(step: float) -> float:
        return 100 * (step - first) / span

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
        smoothed = curve.smooth and len(curve.points) >= SMOOTHED_FROM
        for points, kind in [(thinned(curve.points), curve.kind + (" faint" if smoothed else ""))] + (
            [(thinned(running_mean(curve.points)), curve.kind)] if smoothed else []
        ):
            path = " ".join(f"{along(step):.2f},{down(value):.1f}" for step, value in points)
            drawn.append(f'<polyline class="curve {kind}" points="{path}"></polyline>')
    drawn.append("</svg>")
    for curve in curves:
        # A single point makes no line.
        if curve.dots or len(curve.points) == 1:
            drawn += [
                f'<circle class="dot {curve.kind}" cx="{along(step):.2f}%" cy="{down(value):.1f}" r="3.5">'
                f"<title>{inert(f'step {step:,}: {curve.name} {value:.4g}')}</title></circle>"
                for step, value in curve.points
            ]
    for place, step in enumerate(steps := _steps(first, last)):
        anchor = "start" if place == 0 else "end" if place == len(steps) - 1 else "middle"
        drawn.append(f'<text x="{along(step):.2f}%" y="{HEIGHT - 6}" text-anchor="{anchor}">{step:,}</text>')
    named = inert(f"{label}, over the optimizer steps")
    legend = "".join(f'<span><i class="of-{curve.kind}"></i>{inert(curve.name)}</span>' for curve in curves)
    legend = legend if len(curves) > 1 else ""
    note = "logarithmic axis" if scale.logarithmic else ""
    caption = f'<figcaption class="legend">{legend}{note}</figcaption>' if legend or note else ""
    return (
        f'<figure><div class="chart"><svg class="scale" aria-hidden="true" height="{HEIGHT}">{names}</svg>'
        f'<svg class="plot" role="img" aria-label="{named}" height="{HEIGHT}">{"".join(drawn)}</svg></div>'
        f"{caption}</figure>"
    )


def thinned(points: Sequence[Point]) -> list[Point]:
    """Keep the lowest and the highest point of each piece of the axis, in the order of the steps."""
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
    for place, (step, _) in enumerate(points):
        around = min(reach, place, len(points) - 1 - place)
        low, high = place - around, place + around + 1
        means.append((step, (sums[high] - sums[low]) / (high - low)))
    return means


def _steps(first: int, last: int) -> list[int]:
    """Return the steps to name under the axis: its ends and what is round between them."""
    inner = [int(step) for step in round_values(first, last, about=4)] if last > first + 3 else []
    margin = 0.14 * (last - first)
    return [first, *(step for step in inner if first + margin < step < last - margin), last]
