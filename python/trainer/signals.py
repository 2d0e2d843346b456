"""SIGINT and SIGTERM as a request that the run answers where it can save."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from pytorch_lightning.utilities.exceptions import SIGTERMException


class Stopped(Exception):  # noqa: N818 - not an error: the run was asked to stop
    """The run was asked to stop by a signal.

    Parameters
    ----------
    number
        The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number


STOPPED = (Stopped, SIGTERMException)
"""What leaves Lightning's loops after a signal: it looks for SIGTERM itself at the end of each step."""


class StopRequest:
    """Remembers a signal until the run comes to a place where no work is half done.

    Parameters
    ----------
    agreed
        Turns the signal of this process, 0 for none, into that which all of them know of at this place
        (:meth:`trainer.processes.Processes.largest`).

    Attributes
    ----------
    number
        The signal that came; when the run has stopped, that which stopped it.
    """

    def __init__(self, agreed: Callable[[int], int] = int) -> None:
        self.number: int | None = None
        self.agreed = agreed

    def check(self) -> None:
        """Raise :class:`Stopped` if a signal has come to this process or another."""
        number = self.agreed(self.number or 0)
        if number:
            self.number = number
            raise Stopped(number)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Catch the signals; a SIGINT after the first one acts at once, as if nobody listened.

        Only the main thread of a process can: a run in another one is stopped by nobody.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def remember(number: int, frame: FrameType | None) -> None:
            self.number = number
            signal.signal(signal.SIGINT, before[signal.SIGINT])

        for number in before:
            signal.signal(number, remember)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
