"""How fast a run was, from its ``run.json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prepcore.report.reasons import share, size


def speeds(run: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return documents and bytes of text a second, and what it took, in words.

    They are those of the process that finished the run; what ``run.json`` does not state is left out.
    """
    seconds, read = run.get("seconds", 0.0), run.get("read", {})
    rows = [("time", f"{seconds:,.1f} s")]
    if seconds and read:
        rows.append(("documents", f"{read['documents'] / seconds:,.0f} a second"))
        rows.append(("text", f"{size(read['text_bytes'] / seconds)} a second"))
    if "threads" in run:
        rows.append(
            (
                "threads",
                f"{run['threads']:,} of {run.get('cores', '?')} cores, {run.get('memory', '?')} memory",
            )
        )
    steps = run.get("seconds_by_step", {})
    if len(steps) > 1:
        rows.append(("steps", ", ".join(f"{name} {taken:,.1f} s" for name, taken in steps.items())))
    return rows


def stages(run: Mapping[str, Any]) -> list[tuple[str, float, str]]:
    """Return each stage with its seconds, summed over the threads, and their share."""
    by_stage = run.get("seconds_by_stage", {})
    total = sum(by_stage.values())
    return [(name, seconds, share(seconds, total)) for name, seconds in by_stage.items()]
