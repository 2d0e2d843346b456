"""CPU time of what should answer at once: help texts, and cleaning ten rows from file to file.

python benchmarks/start_up.py
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

REPEATS = 5


def cpu_seconds(command: list[str]) -> float:
    """Return user and system time of a command, interpreter start included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    python = [sys.executable, "-m"]
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw.jsonl"
        texts = [f"first line of {n}\nsecond line of {n}\nthird line" for n in range(10)]
        raw.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
        commands: dict[str, Callable[[int], list[str]]] = {
            "prepcore --help": lambda _: [*python, "prepcore", "--help"],
            "prepcore clean --help": lambda _: [*python, "prepcore", "clean", "--help"],
            "python -m trainer --help": lambda _: [*python, "trainer", "--help"],
            "python -m trainer fit --help": lambda _: [*python, "trainer", "fit", "--help"],
            "prepcore clean (ten rows)": lambda n: [
                *[
                    *python,
                    "prepcore",
                    "clean",
                    str(raw),
                    "--out",
                    str(Path(folder) / f"out{n}"),
                    "--threads",
                    "2",
                ]
            ],
        }
        for name, command in commands.items():
            seconds = statistics.median(cpu_seconds(command(repeat)) for repeat in range(REPEATS))
            print(f"{seconds:6.3f} s of CPU  {name}")


if __name__ == "__main__":
    main()
