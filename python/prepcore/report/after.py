"""The report that `prepcore clean` leaves in its folder."""

from __future__ import annotations

import sys
from pathlib import Path

from prepcore import engine
from prepcore.arguments import UsageError, printable
from prepcore.report.facts import gathered
from prepcore.report.folder import CleanedFolder
from prepcore.report.page import NAME, write_page


def leave_report(out: str) -> None:
    """Write ``report.html`` into a folder that was finished just now.

    The folder is whole without it, so what goes wrong here is a warning and no failure of the run.
    """
    try:
        write_page(gathered(CleanedFolder.open(out)), Path(out) / NAME)
    except (OSError, ValueError, UsageError, engine.core().PrepcoreError) as error:
        reason = printable(str(error)).partition("\n")[0]
        sys.stderr.write(
            f"prepcore: warning: {printable(out)}/{NAME} was not written: {reason}\n"
            f"hint: prepcore report {printable(out)} --html FILE makes it\n"
        )
