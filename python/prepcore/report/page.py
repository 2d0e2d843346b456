"""`report.html` of a cleaned folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prepcore.report import sections
from prepcore.report.shell import document, write_whole

NAME = "report.html"
"""The file's name in a cleaned folder."""


def page(facts: Mapping[str, Any]) -> str:
    """Lay out what `prepcore.report.facts.gathered` returns."""
    title = f"What became of the documents: {Path(facts['folder']).resolve().name}"
    body = "\n".join(
        [
            sections.head(facts, title),
            sections.waterfall(facts),
            sections.reasons(facts),
            sections.rewritten(facts),
            sections.unreadable(facts),
            sections.throughput(facts),
            sections.rules(facts),
            sections.settings(facts),
            sections.inputs(facts),
        ]
    )
    return document(title, body)


def write_page(facts: Mapping[str, Any], path: Path) -> None:
    """Write the page, whole or not at all."""
    write_whole(page(facts), path)
