"""The commands that look into a token folder: `trace`."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Literal

from prepcore.arguments import Command, UsageError, option, printable


@dataclass(frozen=True, kw_only=True)
class TraceCommand:
    """Command line of `prepcore trace`."""

    folder: list[str] = option(help="folder that prepcore pack has written", metavar="DIR", positional=True)
    row: int = option(help="row to trace, from 0", metavar="K", minimum=0)
    split: Literal["train", "validation"] = option("train", "side of the folder that the row is on")
    sequence_length: int | None = option(None, "tokens a row; the folder's by default", minimum=1)
    full: bool = option(False, "show the whole text of every piece, not its head")
    json: bool = option(False, "print what was found as one JSON document on standard output")


def trace(command: TraceCommand) -> int:
    """Run ``prepcore trace``."""
    from prepcore.tokens.folder import Tokens
    from prepcore.tokens.tracing import lines

    if len(command.folder) != 1:
        raise UsageError(f"{len(command.folder)} folders were named, and one is wanted")
    traced = Tokens(command.folder[0]).trace(
        command.row, split=command.split, sequence_length=command.sequence_length
    )
    if command.json:
        sys.stdout.write(printable(json.dumps(traced.as_dict(), ensure_ascii=False)) + "\n")
    else:
        for line in lines(traced, full=command.full):
            sys.stdout.write(printable(line) + "\n")
    return 0


COMMANDS = (
    Command(
        name="trace",
        summary="say which documents a row of a token folder is made of",
        description="Say which documents a row is made of: tokens, source file and row there, and text.\n"
        "Of documents from a cleaned folder it names the raw file; `prepcore explain` tells more.",
        configuration=lambda: TraceCommand,
        run=trace,
        examples="""
  prepcore trace tokens --row 17
  prepcore trace tokens --row 3 --split validation --sequence-length 4096 --full
""",
    ),
)
"""What `prepcore.cli` adds to its own commands."""
