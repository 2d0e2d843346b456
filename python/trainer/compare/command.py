"""``python -m trainer compare``: print a comparison, and write its page."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from prepcore.arguments import UsageError, printable
from prepcore.report.shell import write_asked
from prepcore.report.table import show
from trainer.compare.facts import compare
from trainer.compare.page import page
from trainer.compare.subjects import open_compared
from trainer.compare.tables import notes, tables
from trainer.config.comparing import CompareConfig
from trainer.prompts import read_prompts
from trainer.tokenizer import DEFINITION


def check(config: CompareConfig) -> list[str]:
    """Find mistakes before anything is read or torch imported; return the prompts to continue.

    Raises
    ------
    UsageError
        When a folder is neither run nor model, prompts cannot be read, or nothing could continue them.
    """
    everything = open_compared(config.subjects, config.checkpoint)
    if config.page_file is not None and Path(config.page_file).is_dir():
        raise UsageError(f"--page {config.page_file} is a folder", "wanted a file, such as compare.html")
    if config.prompts is None:
        return []
    prompts = read_prompts(config.prompts)
    checkpoints = [each.checkpoint for each in everything if each.checkpoint is not None]
    if not checkpoints:
        raise UsageError(
            "none of these runs has a checkpoint to continue prompts with", "leave --prompts out"
        )
    for checkpoint in checkpoints:
        if not (checkpoint / DEFINITION).is_file():
            raise UsageError(
                f"{checkpoint} has no {DEFINITION}, which continuing prompts needs",
                "copy the one the model was trained with into it, or leave --prompts out",
            )
    return prompts


def run(config: CompareConfig) -> int:
    """Compare, print, and write the page.

    Raises
    ------
    UsageError
        As :func:`check`, and when the page cannot be written.
    """
    facts = compare(config, check(config))
    if config.json:
        sys.stdout.write(json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    else:
        show(tables(facts), notes(facts))
    if config.page_file is not None:
        write_asked(page(facts), Path(config.page_file))
        sys.stderr.write(f"page {printable(config.page_file)}\n")
    return 0
