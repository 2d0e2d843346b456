"""Run a training and stop it with a signal when its log has reached a step, as a queue that ends would.

    python examples/course/stop_after.py STEP METRICS.csv COMMAND…

Exits with 0 when the command was stopped by the signal and said so (143), else as the command did.
"""

from __future__ import annotations

import csv
import signal
import subprocess
import sys
import time
from pathlib import Path


def main(step: int, log: Path, command: list[str]) -> int:
    """Run, wait, stop."""
    running = subprocess.Popen(command)
    stopped = False
    while running.poll() is None:
        if not stopped and reached(log) >= step:
            running.send_signal(signal.SIGTERM)
            stopped = True
        time.sleep(0.05)
    return 0 if stopped and running.returncode == 143 else running.returncode


def reached(log: Path) -> int:
    """Return the last step of a log; 0 while there is none."""
    if not log.exists():
        return 0
    with log.open(encoding="utf-8", newline="") as file:
        steps = [line["step"] for line in csv.DictReader(file)]
    return int(steps[-1]) if steps and steps[-1].isdigit() else 0


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(f"usage: {sys.argv[0]} STEP METRICS.csv COMMAND…")
    sys.exit(main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
