"""The curves of a comparison: each told from the others by colour, and without colour by mark and dash."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

from prepcore.report.inert import inert
from trainer.compare.axes import ALONG, TITLES
from trainer.report.charts import SHAPES, Curve, curves_chart

Facts = dict[str, Any]

TONES, DASHES = 6, 4
"""Colours and ways to break a line that the style has. A colour has one mark, so 24 curves are unlike."""

EACH_DRAWN = 3
"""How many curves at most are drawn as they were, too, faintly beside their running mean."""

DOTTED = 25
"""Points up to which each of them is marked."""

MARKS = 5
"""Marks on a curve of more points."""

FIRST_FALL = 0.2
"""Share of its way that a curve leaves out where it is drawn closer: the first fall hides what follows."""


def look(place: int) -> tuple[str, str]:
    """Return the classes and the mark of the first, second, … of what is compared."""
    tone, dash = place % TONES, place // TONES % DASHES
    return f"tone-{tone} dash-{dash}", list(SHAPES)[tone]


def key(place: int) -> str:
    """Draw a piece of a curve, for beside its name."""
    kind, shape = look(place)
    return (
        '<svg class="key" viewBox="0 0 34 14" aria-hidden="true">'
        f'<line class="curve {kind}" x1="0" x2="34" y1="7" y2="7"></line>'
        f'<svg class="dot {kind}" x="17" y="7"><path d="{SHAPES[shape]}"></path></svg></svg>'
    )


def panels(facts: Facts, axes: dict[str, str]) -> str:
    """Draw losses and scores over every axis that is known, with a switch between them.

    The switch is a group of radio buttons, which works without a script and from the keyboard.

    Parameters
    ----------
    facts
        The comparison.
    axes
        Names of the axes, and what a point calls them.
    """
    drawn = {name: _panel(facts, name, field) for name, field in axes.items()}
    drawn = {name: panel for name, panel in drawn.items() if panel}
    if not drawn:
        return ""
    at_first = facts["axis"] if facts["axis"] in drawn else next(iter(drawn))
    choices = "".join(
        f'<input class="axis-choice" type="radio" name="axis" id="axis-{name}" autocomplete="off"'
        f'{" checked" if name == at_first else ""}><label for="axis-{name}">{TITLES[name]}</label>'
        for name in drawn
    )
    return choices + "".join(f'<div class="panel {name}">{panel}</div>' for name, panel in drawn.items())


def _panel(facts: Facts, axis: str, field: str) -> str:
    """Draw everything over one axis."""
    places = {each["key"]: place for place, each in enumerate(facts["compared"])}
    names = {each["key"]: each["name"] for each in facts["compared"]}
    charts = []
    for closer, kind in product((False, True), ("training", "validation")):
        title = f"{kind.capitalize()} loss" + (", closer" if closer else "")
        curves = []
        for drawn in facts["curves"]:
            points = _points(drawn[kind], field)
            if closer:
                end = points[-1][0] if points else 0
                points = [point for point in points if point[0] >= FIRST_FALL * end]
            curves.append(_curve(points, names[drawn["key"]], places[drawn["key"]], len(places), kind))
        # Of few points the second picture would show what the first does.
        if not closer or max(len(curve.points) for curve in curves) >= 3:
            charts.append((title, curves))
    for scored in facts["score_curves"]:
        title = f"{scored['name']}, {scored['metric']}"
        curves = [
            _curve(_points(points, field), names[letter], places[letter], len(places), "score")
            for letter, points in scored["points"].items()
        ]
        charts.append((title, curves))
    last = max((point[0] for _, curves in charts for curve in curves for point in curve.points), default=0)
    cards = "".join(
        f'<div class="card"><h3>{inert(title)}</h3>{chart}</div>'
        for title, curves in charts
        if (chart := curves_chart(title, curves, last=last, along=ALONG[axis], legend=False))
    )
    return f'<div class="pair">{cards}</div>' if cards and last > 0 else ""


def _points(points: Sequence[Facts], field: str) -> list[tuple[float, float]]:
    """Return places along an axis and values, as far as the places are known, in the order of the axis."""
    return sorted((point[field], point["value"]) for point in points if point[field] is not None)


def _curve(points: list[tuple[float, float]], name: str, place: int, count: int, kind: str) -> Curve:
    tones, shape = look(place)
    return Curve(
        name,
        tones,
        points,
        dots=kind != "training" and len(points) <= DOTTED,
        smooth=kind == "training",
        shape=shape,
        marks=MARKS,
        faint=count <= EACH_DRAWN,
    )
