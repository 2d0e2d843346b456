"""The scores of a checkpoint in its model card, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainer.evaluate.table import figure


def scores_section(content: Mapping[str, Any]) -> str:
    """Write the main scores of a results file, and how they were measured; nothing where there are none."""
    if not content.get("results"):
        return ""
    lines = ["| task@shots | metric | value | documents | version |", "|---|---|---|---|---|"]
    for name, result in content["results"].items():
        score = result["scores"][result["main"]]
        error = "" if score["stderr"] is None else f" ± {figure(score['stderr'])}"
        taken = f"{result['documents']:,}{_limited(result)}"
        value = f"{figure(score['value'])}{error}"
        cells = (name, result["main"], value, taken, result["version"] or "")
        lines.append("| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |")
    for name, mean in content["means"].items():
        if "value" in mean:
            limited = f"first {mean['limit']:,} of each" if "limit" in mean else ""
            lines.append(f"| {name}, the mean | | {figure(mean['value'])} | {limited} | |")
    versions = ", ".join(f"{name} {number}" for name, number in content["versions"].items())
    how = f"Measured in {_conditions(content['results'])}. Versions of the last time: {versions}."
    return "## Scores\n\n" + "\n".join(lines) + f"\n\n{how}"


def _limited(result: Mapping[str, Any]) -> str:
    """Say that only the first documents were taken, of each task of a group."""
    limit = result["settings"].get("limit")
    if limit is None:
        return ""
    return f" (the first {limit:,} of each task)" if "tasks" in result["details"] else " (the first)"


def _conditions(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Say how results were measured; where that differs, which of them how."""
    groups: dict[str, list[str]] = {}
    for name, result in results.items():
        how = result["settings"]
        words = f"{how.get('dtype')} on {how.get('device')}, beginning token {how.get('bos')}"
        groups.setdefault(words, []).append(name)
    if len(groups) == 1:
        return next(iter(groups))
    return "; ".join(f"{words} ({', '.join(names)})" for words, names in groups.items())
