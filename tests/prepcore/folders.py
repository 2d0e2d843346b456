"""What must hold of every cleaned folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def unreadable(out: Path) -> list[dict[str, Any]]:
    """The lines of ``unreadable.jsonl``."""
    return [json.loads(line) for line in (out / "unreadable.jsonl").read_text().splitlines()]


def check_sums(out: Path) -> dict[str, Any]:
    """Hold every sum of a folder to its promise and return the counts."""
    manifest = json.loads((out / "manifest.json").read_text())
    counts: dict[str, Any] = manifest["counts"]
    assert counts["documents"] == counts["kept"] + sum(counts["dropped"].values()) + counts["unreadable"]
    assert counts["unreadable"] == sum(line["rows"] for line in unreadable(out))
    assert counts["documents"] == sum(entry["rows"] for entry in manifest["inputs"])
    return counts
