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

_NO_GUESS = 2.0
"""Seconds of a stage before the time left is guessed: the first units are no measure."""


class Pace:
    """How fast a stage is going. The engine counts from 0 again in every stage, and so does this."""

    def __init__(self) -> None:
        self._stage = ""
        self._started = 0.0

    def said(self, event: dict[str, Any], now: float) -> str:
        """Say what was done, how fast, and how long the rest of the stage takes.

        Parameters
        ----------
        event
            As in `Progress`.
        now
            Seconds on any clock, the same for every event.
        """
        stage = str(event.get("stage", "running"))
        if stage != self._stage:
            self._stage, self._started = stage, now
        seconds = now - self._started
        said = _counts(event)
        if seconds > 0:
            speed = event.get("bytes", 0) / seconds
            said += f", {event.get('documents', 0) / seconds:,.0f} documents/s, {speed / 1e6:,.1f} MB/s"
            total = event.get("bytes_total")
            if total and speed and seconds >= _NO_GUESS:
                said += f", {_duration(max(total - event['bytes'], 0) / speed)} left"
        return said


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
        self._pace = Pace()

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
        # Asked for at every event: the pace must see each stage begin.
        said = self._pace.said(event, now)
        if self._terminal:
            if now - self._started >= _SILENCE:
                self._draw(event, said)
        elif now - self._last_line >= _LINE_EVERY:
            self._last_line = now
            sys.stderr.write(_line(event, said) + "\n")
            sys.stderr.flush()

    def _draw(self, event: dict[str, Any], said: str) -> None:
        """Make the bar, or move it."""
        total = event.get("bytes_total") or None
        if self._bar is None or self._task is None:
            from rich.console import Console
            from rich.progress import BarColumn, TaskProgressColumn, TextColumn
            from rich.progress import Progress as Bar

            self._bar = Bar(
                TextColumn("{task.description}"),
                BarColumn(bar_width=20),
                TaskProgressColumn(),
                TextColumn("{task.fields[said]}"),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._bar.add_task(str(event.get("stage", "")), total=total, said="")
            self._bar.start()
        self._bar.update(
            self._task,
            description=str(event.get("stage", "")),
            total=total,
            completed=event.get("bytes", 0),
            said=said,
        )


def _counts(event: dict[str, Any]) -> str:
    """Say how many documents were read, and how many of them kept."""
    documents, kept = event.get("documents", 0), event.get("kept")
    share = f", {kept / documents:.0%} kept" if documents and kept is not None else ""
    unreadable = f", {event['unreadable']:,} unreadable" if event.get("unreadable") else ""
    return f"{documents:,} documents{share}{unreadable}"


def _line(event: dict[str, Any], said: str) -> str:
    """One line for a log."""
    done, total = event.get("bytes", 0), event.get("bytes_total")
    share = f" ({min(done / total, 1):.0%})" if total else ""
    return f"{event.get('stage', 'running')}: {done / 1e6:,.0f} MB{share}, {said}"


def _duration(seconds: float) -> str:
    """Write a time as people say it: 42 s, 3 min 05 s, 2 h 07 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60:02} min"
