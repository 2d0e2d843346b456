"""The end of ``prepcore classifier train`` on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def training_summary(manifest: Mapping[str, Any], out: str) -> str:
    """Lay out the documents of both classes, what the held-out ones show, and the next command."""
    lines = [f"{'documents':<16}{'read':>12}{'drawn':>12}{'training':>12}{'held out':>12}"]
    for label, facts in manifest["classes"].items():
        numbers = (facts[name] for name in ("documents", "drawn", "training", "held_out"))
        lines.append(f"  {label:<14}" + "".join(f"{number:>12,}" for number in numbers))
    unreadable = sum(facts["unreadable"] for facts in manifest["classes"].values())
    if unreadable:
        lines.append(f"{unreadable:,} rows could not be read and were left out")
    label = next(iter(manifest["classes"]))
    measures = manifest["measures"]
    if measures["ranking"] is None:
        lines.append("no documents were held out, so nothing was measured")
    else:
        lines.append(
            f"held out, {label!r} at a score of 0.5: precision {_share(measures['precision'])}, "
            f"recall {_share(measures['recall'])}, F1 {_share(measures['f1'])}"
        )
        lines.append(f"a {label!r} document scores above another in {_share(measures['ranking'])} of pairs")
    if manifest["threshold"] is not None:
        of = "the pool" if manifest["pool"] else "the documents held out"
        kept = _share(manifest["kept_by_threshold"])
        lines.append(f"a score of at least {manifest['threshold']} keeps {kept} of {of}")
    lines += [f"model: {out}", f"next: {manifest['next']}"]
    return "\n".join(lines) + "\n"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
