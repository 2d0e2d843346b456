"""How far something is, on standard error."""

from __future__ import annotations

import sys
import time

from prepcore.arguments import printable

SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Says on standard error how far something is, now and then.

    Parameters
    ----------
    what
        Is done.
    total
        How often.
    """

    def __init__(self, what: str, total: int) -> None:
        self.what, self.total, self.done = what, total, 0
        self.said = time.monotonic()
        if total:
            self._say()

    def step(self) -> None:
        """Count one, and say so when there was silence for long or it was the last."""
        self.done += 1
        if self.done == self.total or time.monotonic() - self.said >= SECONDS_BETWEEN_LINES:
            self.said = time.monotonic()
            self._say()

    def _say(self) -> None:
        sys.stderr.write(printable(f"{self.what}: {self.done:,} of {self.total:,}\n"))
        sys.stderr.flush()
