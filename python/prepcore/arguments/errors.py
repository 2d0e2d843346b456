"""The error for a command line or configuration that is wrong, found before the work starts."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UsageError(Exception):
    """The command line, the configuration or the input is wrong; the program exits with 2.

    Parameters
    ----------
    message
        A sentence: where (option, or file and key), the value seen, the value wanted.
    hint
        What to do about it, without the word ``hint``; empty when the message says it all.
    """

    exit_code = 2

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message}\nhint: {hint}" if hint else message)
        self.message = message
        self.hint = hint


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name most like `name`, or None when none resembles it.

    The last part of a dotted name counts too: ``--min-lines`` is near ``rules.short-lines.min-lines``.
    """
    candidates = list(known)
    close = difflib.get_close_matches(name, candidates, n=1, cutoff=0.6)
    if close:
        return close[0]
    by_last_part = {candidate.rpartition(".")[2]: candidate for candidate in reversed(candidates)}
    close = difflib.get_close_matches(name.rpartition(".")[2], by_last_part, n=1, cutoff=0.7)
    return by_last_part[close[0]] if close else None
