"""The page of a run, put together."""

from __future__ import annotations

from pathlib import Path

from prepcore.report.shell import STYLE, document, write_whole
from trainer.report import details, sections
from trainer.report.facts import RunFacts
from trainer.run_folder import RunFolder

PAGE_STYLE = STYLE + Path(__file__).with_name("page.css").read_text(encoding="utf-8")
"""What pages with curves look like."""


def page(facts: RunFacts) -> str:
    """Lay out what the files of a run say."""
    title = f"Training run {facts.path.resolve().name}"
    body = "\n".join(
        [
            sections.head(facts, title),
            sections.losses(facts),
            sections.course(facts),
            sections.validations(facts),
            details.evaluations(facts),
            details.mixture(facts),
            details.samples(facts),
            details.model(facts),
            details.layer_map(facts),
            details.checkpoints(facts),
            details.settings(facts),
        ]
    )
    return document(title, body, style=PAGE_STYLE)


def write_report(run: RunFolder) -> None:
    """Write the page of a run from its files, whole or not at all."""
    write_whole(page(RunFacts.gather(run)), run.report)
