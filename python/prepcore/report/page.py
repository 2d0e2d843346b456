"""`report.html`: one file without scripts, fonts or anything else that would be fetched."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prepcore.report import sections
from prepcore.report.inert import inert

NAME = "report.html"
"""The file's name in a cleaned folder."""

_STYLE = Path(__file__).with_name("page.css")


def page(facts: Mapping[str, Any]) -> str:
    """Lay out what `prepcore.report.facts.gathered` returns.

    The page's own style is allowed by its hash, and nothing else is: what a document might have smuggled in
    would still be inert.
    """
    style = _STYLE.read_text(encoding="utf-8")
    allowed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{allowed}'; base-uri 'none'; form-action 'none'"
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
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{inert(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def write_page(facts: Mapping[str, Any], path: Path) -> None:
    """Write the page, whole or not at all."""
    # Several shards may find at once that the folder is finished.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        # Text of other people: what is no UTF-8 was replaced by `inert`.
        temporary.write_text(page(facts), encoding="utf-8")
        os.replace(temporary, path)  # noqa: PTH105 - over what is there, also where that is another's file
    finally:
        temporary.unlink(missing_ok=True)
