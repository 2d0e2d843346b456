"""Scores side by side: which may be compared, and which differences are within noise.

Two scores ``a`` and ``b`` with standard errors ``s`` and ``t`` differ by more than noise where::

    |a - b| > 2 · √(s² + t²)

two standard errors of the difference of independent figures. Where both were measured on the same questions
they are not independent: models tend to fail on the same ones, which makes the true error of the difference
smaller, so that what is called noise here may still be a difference (Miller, 2024, *Adding error bars to
evals*). The opposite mistake has a chance of about one in twenty for each pair, so among many pairs some will
be beyond noise by chance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from trainer.compare.evaluations import BITS_PER_BYTE, TOKENS, Evaluation, Result
from trainer.compare.subjects import Compared

STANDARD_ERRORS = 2.0
"""How many standard errors a difference must exceed."""

NOISE_FORMULA = "|a - b| ≤ 2·√(s² + t²)"
"""When a difference is within noise, in the words of this module."""

IDLE = ("device", "batch_size", "file")
"""Settings that change no more than rounding, or only say where something lies."""

WITHIN, BEYOND, UNKNOWN, REFUSED = "within noise", "beyond noise", "no standard error", "not comparable"
"""What is said of a difference."""

BEST = "best"
"""The standing of the best score of those that were measured alike; others are `WITHIN` or `REFUSED`."""


@dataclass(frozen=True)
class Scored:
    """What is known of one of those that are compared: its results at the checkpoint that stands for it."""

    compared: Compared
    results: Mapping[str, Result]
    means: Mapping[str, tuple[int | None, float]]

    @classmethod
    def of(cls, compared: Compared, evaluations: Sequence[Evaluation]) -> Scored:
        """Take the newest result of each name, none of them newer than the checkpoint.

        Parameters
        ----------
        compared
            Whose they are.
        evaluations
            By step; of one step the last one counts.
        """
        results: dict[str, Result] = {}
        means: dict[str, tuple[int | None, float]] = {}
        for evaluation in evaluations:
            step = evaluation.step
            if compared.step is None or step is None or step <= compared.step:
                results |= evaluation.results
                means |= {name: (step, value) for name, value in evaluation.means.items()}
        return cls(compared, results, means)


def score_facts(scored: Sequence[Scored]) -> list[dict[str, Any]]:
    """Lay the scores out, a row for each metric of each result, and one for each mean."""
    rows = []
    for name in _in_order([list(each.results) for each in scored]):
        found = {each.compared.key: each.results[name] for each in scored if name in each.results}
        main = next(iter(found.values())).main
        metrics = _in_order([list(result.scores) for result in found.values()])
        rows += [
            _stand(_row(name, metric, found)) for metric in sorted(metrics, key=lambda metric: metric != main)
        ]
    for name in _in_order([list(each.means) for each in scored]):
        rows.append(_stand(_mean_row(name, scored)))
    return rows


def settings_differences(a: Result, b: Result, metric: str = "") -> list[str]:
    """Say in which settings that a metric depends on two results differ, a word or two each."""
    idle = (*IDLE, TOKENS) if metric == BITS_PER_BYTE else IDLE
    told = []
    for name in _in_order([list(a.settings), list(b.settings)]):
        ours, theirs = a.settings.get(name), b.settings.get(name)
        if ours != theirs and name not in idle:
            told.append(f"{name} {_word(ours)} and {_word(theirs)}")
    return told


def noise(a: float | None, b: float | None) -> float | None:
    """Return the largest difference that is within noise, from two standard errors."""
    return None if a is None or b is None else STANDARD_ERRORS * math.hypot(a, b)


def _row(name: str, metric: str, found: Mapping[str, Result]) -> dict[str, Any]:
    entries = {
        key: {"value": result.scores[metric][0], "stderr": result.scores[metric][1], "step": result.step,
              "settings": dict(result.settings)}
        for key, result in found.items()
        if metric in result.scores
    }  # fmt: skip
    first = next(iter(found.values()))
    better = first.higher_is_better if metric == first.main else False if metric == BITS_PER_BYTE else None
    differences = []
    for a, b in combinations(entries, 2):
        told = settings_differences(found[a], found[b], metric)
        differences.append(_difference(a, b, entries, told))
    return {
        "name": name,
        "metric": metric,
        "main": metric == first.main,
        "shown": metric in (first.main, BITS_PER_BYTE),
        "higher_is_better": better,
        "entries": entries,
        "differences": differences,
    }


def _mean_row(name: str, scored: Sequence[Scored]) -> dict[str, Any]:
    """Lay out a mean, which is as comparable as the results that both sides have."""
    with_mean = {each.compared.key: each for each in scored if name in each.means}
    entries: dict[str, dict[str, Any]] = {
        key: {"value": each.means[name][1], "stderr": None, "step": each.means[name][0], "settings": {}}
        for key, each in with_mean.items()
    }
    differences = []
    for a, b in combinations(entries, 2):
        ours, theirs = with_mean[a].results, with_mean[b].results
        others = [task for task in ours if task in theirs and settings_differences(ours[task], theirs[task])]
        told = [f"{', '.join(others)} measured otherwise"] if others else []
        differences.append(_difference(a, b, entries, told))
    return {
        "name": name,
        "metric": "mean",
        "main": True,
        "shown": True,
        "higher_is_better": True,
        "entries": entries,
        "differences": differences,
    }


def _difference(a: str, b: str, entries: Mapping[str, Any], told: Sequence[str]) -> dict[str, Any]:
    """Hold the second of two against the first."""
    difference = entries[b]["value"] - entries[a]["value"]
    within = noise(entries[a]["stderr"], entries[b]["stderr"])
    if told:
        verdict = REFUSED
    elif within is None:
        verdict = UNKNOWN
    else:
        verdict = BEYOND if abs(difference) > within else WITHIN
    return {
        "from": a,
        "to": b,
        "difference": None if told else difference,
        "noise": None if told else within,
        "verdict": verdict,
        "why": "; ".join(told),
    }


def _stand(row: dict[str, Any]) -> dict[str, Any]:
    """Give each score of a row its ``standing`` among the most that were measured alike."""
    entries, differences = row["entries"], row["differences"]
    verdicts = {(each["from"], each["to"]): each["verdict"] for each in differences}
    verdicts |= {(to, from_): verdict for (from_, to), verdict in verdicts.items()}
    alike = [[other for other in entries if verdicts.get((key, other)) != REFUSED] for key in entries]
    peers = max(alike, key=len, default=[])
    best = None
    if len(peers) > 1 and row["higher_is_better"] is not None:
        choose = max if row["higher_is_better"] else min
        best = choose(peers, key=lambda key: entries[key]["value"])
    for key, entry in entries.items():
        entry["standing"] = None
        if key == best:
            entry["standing"] = BEST
        elif len(entries) > 1 and (key not in peers or len(peers) == 1):
            entry["standing"] = REFUSED
        elif verdicts.get((key, best)) == WITHIN:
            entry["standing"] = WITHIN
    return row


def _in_order(lists: Sequence[Sequence[str]]) -> list[str]:
    """List names once, in the order in which they come first."""
    return list(dict.fromkeys(name for names in lists for name in names))


def _word(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:37]}…"
