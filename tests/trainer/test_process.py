from __future__ import annotations

import subprocess
import sys

import pytest

from tests.trainer.test_cli import environment

PROGRAM = """
import resource, sys
from trainer.process import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
size = 64 << 20
for _ in range(2):
    b"x" * size  # written, and freed at once
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    b"x" * size
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the C library is asked in glibc's own way")
def test_what_is_freed_is_not_asked_of_the_system_again() -> None:
    faults = {
        word: int(
            subprocess.run(
                [sys.executable, "-c", PROGRAM, word],
                env=environment(),
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
        for word in ("keep", "return")
    }
    print("page faults:", faults)
    assert faults["keep"] < 100 < faults["return"]
