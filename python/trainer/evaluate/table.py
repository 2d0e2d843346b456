"""Results on the terminal: a line a task, the means, and how all of it was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from prepcore.report.table import Table

SHARE = 1.0
"""Scores from 0 to this are shares; perplexities and scores up to 100 have other digits."""


def table(content: Mapping[str, Any], names: Sequence[str] | None = None) -> Table:
    """Lay out the results of one checkpoint.

    Parameters
    ----------
    content
        Of a results file.
    names
        Which results; None: all.
    """
    rows = []
    for name, result in content["results"].items():
        if names is not None and name not in names:
            continue
        shown = [result["main"], *(metric for metric in result["scores"] if metric != result["main"])]
        for place, metric in enumerate(shown):
            first = place == 0
            score = result["scores"][metric]
            rows.append(
                (
                    name if first else "",
                    metric,
                    figure(score["value"]),
                    "" if score["stderr"] is None else f"± {figure(score['stderr'])}",
                    _count(result) if first else "",
                    str(result["version"] or "") if first else "",
                )
            )
    for name, mean in content["means"].items():
        if "value" in mean:
            about = f"first {mean['limit']:,} each" if "limit" in mean else ""
            rows.append((f"{name}, the mean", "", figure(mean["value"]), "", about, ""))
    headers = ("task@shots", "metric", "value", "stderr", "documents", "version")
    return Table(f"{content['checkpoint']}{_size(content)}", headers, rows, texts=(1, 3))


def notes(content: Mapping[str, Any], names: Sequence[str] | None = None) -> list[str]:
    """Say what a mean lacks, and how these results, or all, were measured."""
    found = []
    for name, mean in content["means"].items():
        if "missing" in mean:
            found.append(f"no mean of {name}: {', '.join(mean['missing'])} {mean['reason']}")
    settings = content["settings"]
    results = content["results"]
    seconds = sum(results[name]["seconds"] for name in (results if names is None else names))
    versions = ", ".join(f"{name} {number}" for name, number in content["versions"].items())
    if settings:
        found.append(
            f"{settings['dtype']} on {settings['device']}, beginning token {settings['bos']}, "
            f"measured in {seconds:,.0f} s; {versions}"
        )
    return found


def figure(value: float | None) -> str:
    """Write a score: shares to four digits behind the point, larger ones to two.

    Examples
    --------
    >>> figure(0.25), figure(17.25), figure(41069805462.3), figure(None)
    ('0.2500', '17.25', '4.107e+10', '-')
    """
    if value is None:
        return "-"
    if abs(value) >= 1e6:
        return f"{value:.3e}"
    return f"{value:.4f}" if abs(value) <= SHARE else f"{value:,.2f}"


def _count(result: Mapping[str, Any]) -> str:
    limit = result["settings"].get("limit")
    return f"{result['documents']:,}" + ("" if limit is None else " (limit)")


def _size(content: Mapping[str, Any]) -> str:
    parts = [
        f"{content[key]:,} {said}" if content.get(key) is not None else ""
        for key, said in (("parameters", "parameters"), ("tokens", "tokens seen"))
    ]
    known = ", ".join(filter(None, parts))
    return f": {known}" if known else ""
