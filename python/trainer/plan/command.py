"""``python -m trainer plan``: print a plan, and write its page where one is asked for."""

from __future__ import annotations

import json
import sys
from pathlib import Path

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
        from prepcore.report.shell import write_asked
        from trainer.plan.page import page

        write_asked(page(facts), Path(config.page))
    return 0
