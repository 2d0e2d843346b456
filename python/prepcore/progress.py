"""Progress on standard error: a bar on a terminal, a line now and then elsewhere, nothing when quiet."""

from __future__ import annotations

import os
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

_SILENCE = 0.5
"""Seconds before a bar appears: shorter runs need none, and are spared the import of `rich`."""

_LINE_EVERY = 10.0
"""Seconds between lines where standard error is a file or a pipe."""


class Progress:
    """Shows the engine's events; hand `callback` to the engine and leave the context when it is done.

    Parameters
    ----------
    quiet
        Show nothing.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.callback = None if quiet else self._event
        self._terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._started = time.monotonic()
        self._last_line = self._started
        self._bar: Bar | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def _event(self, event: dict[str, Any]) -> None:
        """Show one event: ``stage``, ``documents``, ``kept``, ``bytes``, ``bytes_total``, ``unreadable``."""
        now = time.monotonic()
        if self._terminal:
            if now - self._started >= _SILENCE:
                self._draw(event)
        elif now - self._last_line >= _LINE_EVERY:
            self._last_line = now
            sys.stderr.write(_line(event, now - self._started) + "\n")
            sys.stderr.flush()

    def _draw(self, event: dict[str, Any]) -> None:
        """Make the bar, or move it."""
        total = event.get("bytes_total") or None
        if self._bar is None or self._task is None:
            from rich.console import Console
            from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            self._bar = Bar(
                TextColumn("{task.description}"),
                BarColumn(),
                DownloadColumn(),
                TextColumn("{task.fields[counts]}"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._bar.add_task(str(event.get("stage", "")), total=total, counts="")
            self._bar.start()
        self._bar.update(
            self._task,
            description=str(event.get("stage", "")),
            total=total,
            completed=event.get("bytes", 0),
            counts=_counts(event),
        )


def _counts(event: dict[str, Any]) -> str:
    """Say how many documents were read, and how many of them kept."""
    documents, kept = event.get("documents", 0), event.get("kept")
    share = f", {kept / documents:.0%} kept" if documents and kept is not None else ""
    unreadable = f", {event['unreadable']:,} unreadable" if event.get("unreadable") else ""
    return f"{documents:,} documents{share}{unreadable}"


def _line(event: dict[str, Any], seconds: float) -> str:
    """One line for a log."""
    done, total = event.get("bytes", 0), event.get("bytes_total")
    share = f" ({done / total:.0%})" if total else ""
    speed = done / 1e6 / max(seconds, 1e-9)
    return (
        f"{event.get('stage', 'running')}: {done / 1e6:,.0f} MB{share}, {_counts(event)}, {speed:,.1f} MB/s"
    )
