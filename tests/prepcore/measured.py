"""A command of `prepcore`, run to measure it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import NamedTuple

MEASURE = """
import json, resource, subprocess, sys
command = [sys.executable, "-m", "prepcore", *json.loads(sys.argv[1])]
done = subprocess.run(command, capture_output=True, text=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
peak = used.ru_maxrss * (1024 if sys.platform == "linux" else 1)
print(json.dumps([done.returncode, done.stderr, peak, used.ru_utime + used.ru_stime]))
"""


class Measured(NamedTuple):
    """What a command came to."""

    code: int
    errors: str
    peak: int
    """Most resident memory, in bytes."""
    cpu: float
    """Seconds of user and system time."""


def run(*words: object) -> Measured:
    """Run a command from a small process: a child counts the memory of its parent as its own."""
    command = [sys.executable, "-c", MEASURE, json.dumps([str(word) for word in words])]
    return Measured(*json.loads(subprocess.run(command, capture_output=True, check=True).stdout))
