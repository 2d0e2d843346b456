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
        limit = result["settings"].get("limit")
        taken = f"first {result['documents']:,}" if limit is not None else f"{result['documents']:,}"
        value = f"{figure(score['value'])}{error}"
        cells = (name, result["main"], value, taken, result["version"] or "")
        lines.append("| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |")
    for name, mean in content["means"].items():
        if "value" in mean:
            lines.append(f"| {name}, the mean | | {figure(mean['value'])} | | |")
    settings = content["settings"]
    versions = ", ".join(f"{name} {number}" for name, number in content["versions"].items())
    how = f"Measured in {settings['dtype']}, beginning token {settings['bos']}, with {versions}."
    return "## Scores\n\n" + "\n".join(lines) + f"\n\n{how}"
