"""``python -m trainer plan``: print a plan, and write its page where one is asked for."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from prepcore.arguments import UsageError
from prepcore.report.table import show
from trainer.config.planning import PlanConfig
from trainer.plan.facts import plan
from trainer.plan.tables import notes, tables


def run(config: PlanConfig) -> int:
    """Print the plan of a configuration.

    Raises
    ------
    UsageError
        As :func:`trainer.plan.facts.plan`, or when the page cannot be written.
    """
    facts = plan(config)
    if config.json:
        sys.stdout.write(json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
    else:
        show(tables(facts), notes(facts))
    if config.page:
        _write_page(facts, Path(config.page))
    return 0


def _write_page(facts: dict[str, object], path: Path) -> None:
    from prepcore.report.shell import write_whole
    from trainer.plan.page import page

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(page(facts), path)
    except OSError as error:
        raise UsageError(f"--page {path} cannot be written: {error}", "choose another place") from error
