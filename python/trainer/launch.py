"""Starting the processes of a run on this machine, and being their parent; without torch.

Each process is ``python -m trainer fit`` with the whole configuration in a file. The parent passes signals
on, ends the others when one has failed, and computes nothing.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from prepcore.arguments import options_of
from prepcore.arguments.configuration_file import write
from trainer.config import FitConfig
from trainer.processes import RENDEZVOUS, processes_of
from trainer.run_folder import values_of

GRACE = 60.0
"""Seconds that the others have when one has ended with an error.

An error of all, or a stop, ends all of them: the first process then writes its page. After an error of one
alone the others find its connection closed.
"""

GRACE_OF_THE_KILLED = 5.0
"""Seconds that the others have when one was killed: nothing that they do comes to an end."""

POLL = 0.05
"""Seconds between two looks at the processes."""


OF_SEVERAL = (
    *("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK", "GROUP_WORLD_SIZE"),
    *("ROLE_RANK", "ROLE_WORLD_SIZE", "ROLE_NAME", "MASTER_ADDR", "MASTER_PORT", RENDEZVOUS),
)
"""Variables by which a process knows that it is one of several, besides those that begin as below."""

OF_TORCHRUN = "TORCHELASTIC_"

ENDS_WITH_PARENT = "TRAINER_ENDS_WITH_PARENT"
"""Set for a process whose standard input is a pipe that its parent holds open and never writes to."""


def launch(config: FitConfig, *, answers: bool = True) -> int:
    """Start the processes of a run and wait for all of them.

    Parameters
    ----------
    config
        With ``trainer.devices`` processes.
    answers
        Whether the first process prints its answer.

    Returns
    -------
    int
        0, or the exit code of the first process that failed; 128 and the signal where one killed it.
    """
    count = processes_of(config.trainer)
    with tempfile.TemporaryDirectory(prefix="trainer-") as folder:
        file = Path(folder) / "config.yaml"
        file.write_text(write(list(options_of(FitConfig)), values_of(config)), encoding="utf-8")
        # In sessions of their own: what a terminal sends to all reaches them through the parent, once.
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "trainer", "fit", "--config", str(file)],
                env=environment(rank, count, Path(folder) / "rendezvous"),
                stdin=subprocess.PIPE,
                stdout=None if answers else subprocess.DEVNULL,
                start_new_session=True,
            )
            for rank in range(count)
        ]
        try:
            with _passing_on(processes):
                return _wait(processes)
        finally:
            for process in processes:
                process.kill()
                process.wait()


def environment(rank: int, count: int, rendezvous: Path) -> dict[str, str]:
    """Return the environment of a process: this one's, who it is, and its share of the cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    variables = {"OMP_NUM_THREADS": str(max(1, cores // count)), **child_environment()}
    if "lo" in {name for _, name in socket.if_nameindex()}:
        # All are here: nothing is to listen to the network.
        variables.setdefault("GLOO_SOCKET_IFNAME", "lo")
    return {
        **variables,
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        RENDEZVOUS: rendezvous.as_uri(),
    }


def child_environment() -> dict[str, str]:
    """Return the environment of a command of ours that is to end when this process does.

    It finds the packages where this process has them, is alone even where this process is one of several, and
    its standard input has to be a pipe.
    """
    package = str(Path(__file__).resolve().parents[1])
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    own = {
        name: value
        for name, value in os.environ.items()
        if name not in OF_SEVERAL and not name.startswith(OF_TORCHRUN)
    }
    return {**own, "PYTHONPATH": os.pathsep.join(paths), ENDS_WITH_PARENT: "1"}


def end_with_parent() -> None:
    """End when the parent does, however that ends: the system closes the pipes of a dead process."""
    if ENDS_WITH_PARENT not in os.environ:
        return

    def wait() -> None:
        os.read(0, 1)
        os._exit(1)

    threading.Thread(target=wait, name="end-with-parent", daemon=True).start()


@contextmanager
def _passing_on(processes: Sequence[subprocess.Popen[bytes]]) -> Iterator[None]:
    """Pass SIGINT and SIGTERM on to the processes, which stop at the same step."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def pass_on(number: int, frame: FrameType | None) -> None:
        for process in processes:
            process.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait(processes: Sequence[subprocess.Popen[bytes]]) -> int:
    """Wait for all processes; when one has failed, for so long as the others have to end, too."""
    failed: int | None = None
    until = float("inf")
    while any(process.poll() is None for process in processes) and time.monotonic() < until:
        time.sleep(POLL)
        if failed is None and (failed := _failed(processes)) is not None:
            killed = processes[failed].returncode < 0
            until = time.monotonic() + (GRACE_OF_THE_KILLED if killed else GRACE)
    failed = failed if failed is not None else _failed(processes)
    if failed is None:
        return 0
    code = processes[failed].returncode
    if code < 0:
        name = signal.Signals(-code).name
        said = f"process {failed} of {len(processes)} was killed by {name}, and the run is over"
        print(f"trainer: {said}", file=sys.stderr)  # noqa: T201 - nobody else can say it
        return 128 - code
    return int(code)


def _failed(processes: Sequence[subprocess.Popen[bytes]]) -> int | None:
    """Return the number of a process that has ended with an error, those killed by a signal first."""
    codes = [process.poll() for process in processes]
    failed = [number for number, code in enumerate(codes) if code]
    return min(failed, key=lambda number: (codes[number] or 0) >= 0, default=None)
