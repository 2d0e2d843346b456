"""Cleaning beside Polars copying the same file: wall time, CPU time and memory of whole processes.

python benchmarks/corpus.py /tmp/corpus --size 1.2GB --kinds parquet,jsonl,jsonl.zst
python benchmarks/clean.py /tmp/corpus [--only parquet] [--repeats 5] [--json benchmarks/results/clean.json]

Ours and theirs run in turn, A B A B, after one run of each that is not counted. Every run is a process of
its own, interpreter start included, writes to a new folder, and starts when the disk has nothing to write.
Ratios are of medians, ours to theirs.

Polars does less: it copies every row. `prepcore` judges, deduplicates, and also writes keys, reasons and
checksums; both write Zstandard level 3. From JSONL, Polars makes a column of each member, `prepcore` one of
the text and one of the rest of each object; the corpus has one member beside the text, so the bytes are about
the same.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

Command = list[str]


@dataclass(frozen=True)
class Run:
    """What one process took."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds of user and system time."""
    memory: float
    """Most resident memory, in MB."""


@dataclass(frozen=True)
class Bar:
    """A limit for one figure: of ours alone, or of ours to theirs."""

    figure: str
    at_most: float
    of_ours_alone: bool = False


@dataclass(frozen=True)
class Pair:
    """Two commands for the same input; each takes the path that it writes to."""

    name: str
    file: str
    ours: Callable[[Path, Path], Command]
    theirs: Callable[[Path, Path], Command]
    bars: tuple[Bar, ...]


def prepcore(*options: str) -> Callable[[Path, Path], Command]:
    clean = [sys.executable, "-m", "prepcore", "clean"]
    return lambda source, out: [*clean, str(source), "--out", str(out), "--quiet", *options]


def polars(scan: str, sink: str, *options: str) -> Callable[[Path, Path], Command]:
    def command(source: Path, out: Path) -> Command:
        arguments = ", ".join([repr(str(out)), *options])
        return [sys.executable, "-c", f"import polars as pl; pl.{scan}({str(source)!r}).{sink}({arguments})"]

    return command


FLUSHES = "int fsync(int f) { return 0; }\nint fdatasync(int f) { return 0; }\n"


def without_flushes(command: Callable[[Path, Path], Command]) -> Callable[[Path, Path], Command]:
    """Run a command with a C library that flushes nothing to disk; needs Linux and a C compiler."""

    def wrapped(source: Path, out: Path) -> Command:
        library = out.parent / "no-flushes.so"
        if not library.exists():
            compiler = ["cc", "-shared", "-fPIC", "-o", str(library), "-x", "c", "-"]
            subprocess.run(compiler, input=FLUSHES, text=True, check=True)
        return ["env", f"LD_PRELOAD={library}", *command(source, out)]

    return wrapped


MEMORY = Bar("memory", 300, of_ours_alone=True)
ZSTD_3 = ("compression='zstd'", "compression_level=3")
TWO = ("--threads", "2")
PAIRS = (
    Pair(
        "parquet, Polars as it is",
        "corpus.parquet",
        prepcore(*TWO),
        polars("scan_parquet", "sink_parquet", *ZSTD_3),
        (Bar("wall", 0.8), MEMORY),
    ),
    Pair(
        "parquet, Polars with row groups of 8192",
        "corpus.parquet",
        prepcore(*TWO),
        polars("scan_parquet", "sink_parquet", *ZSTD_3, "row_group_size=8192"),
        (Bar("wall", 1.1), Bar("cpu", 1.0), MEMORY),
    ),
    Pair(
        "jsonl.zst to parquet",
        "corpus.jsonl.zst",
        prepcore("--format", "parquet", *TWO),
        polars("scan_ndjson", "sink_parquet", *ZSTD_3),
        (Bar("wall", 1.0), MEMORY),
    ),
    Pair(
        "jsonl to jsonl",
        "corpus.jsonl",
        prepcore("--format", "jsonl", *TWO),
        polars("scan_ndjson", "sink_ndjson"),
        (Bar("wall", 1.0), MEMORY),
    ),
    Pair(
        "keys on disk beside in memory",
        "corpus.parquet",
        prepcore("--dedup", "disk", *TWO),
        prepcore("--dedup", "memory", *TWO),
        (Bar("wall", 1.4), MEMORY),
    ),
    Pair(
        "flushes beside none",
        "corpus.parquet",
        prepcore(*TWO),
        without_flushes(prepcore(*TWO)),
        (Bar("wall", 1.05), MEMORY),
    ),
    # Two threads are to be 1.8 times as fast as one.
    Pair(
        "threads, 2 beside 1",
        "corpus.parquet",
        prepcore(*TWO),
        prepcore("--threads", "1"),
        (Bar("wall", 1 / 1.8), MEMORY),
    ),
)


def run(command: Command) -> Run:
    # Pages that an earlier run left to be written would be this run's to wait for.
    os.sync()
    started = time.perf_counter()
    # This process stays small: a child counts its parent's memory as its own until it starts its program.
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"exit code {child.returncode} of {' '.join(command)}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit / 1e6)


def measure(pair: Pair, corpus: Path, scratch: Path, repeats: int) -> tuple[list[Run], list[Run]]:
    """Run both commands in turn; the first run of each is not counted."""
    runs: tuple[list[Run], list[Run]] = ([], [])
    for _ in range(repeats + 1):
        for side, command in zip(runs, (pair.ours, pair.theirs), strict=True):
            out = scratch / "out"
            side.append(run(command(corpus / pair.file, out)))
            shutil.rmtree(out) if out.is_dir() else out.unlink()
    return runs[0][1:], runs[1][1:]


def median(runs: Iterable[Run], figure: str) -> float:
    return statistics.median(getattr(run, figure) for run in runs)


def report(pair: Pair, ours: list[Run], theirs: list[Run]) -> list[dict[str, object]]:
    """Print a pair's figures and return its bars with what was reached."""
    print(f"\n{pair.name}")
    print(f"{'':8}{'ours':>10}{'theirs':>10}{'ratio':>8}{'bar':>8}")
    reached = []
    for figure, unit in (("wall", "s"), ("cpu", "s"), ("memory", "MB")):
        ours_median, theirs_median = median(ours, figure), median(theirs, figure)
        ratio = ours_median / theirs_median
        line = f"{figure:8}{ours_median:8.2f} {unit:2}{theirs_median:7.2f} {unit:2}{ratio:7.3f}"
        for bar in (bar for bar in pair.bars if bar.figure == figure):
            value = ours_median if bar.of_ours_alone else ratio
            passed = value <= bar.at_most
            line += f"{bar.at_most:8.3g} {'pass' if passed else 'FAIL'}"
            reached.append({**asdict(bar), "value": value, "passed": passed})
        print(line)
    return reached


def machine() -> dict[str, object]:
    return {
        "prepcore": version("prepcore"),
        "polars": version("polars"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load": os.getloadavg()[0],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path, help="a folder that corpus.py has filled")
    parser.add_argument("--only", default="", help="pairs whose name holds this")
    parser.add_argument("--repeats", type=int, default=5, help="counted runs of each command (5)")
    parser.add_argument("--scratch", type=Path, help="where outputs go and are removed (a temporary folder)")
    parser.add_argument("--json", type=Path, help="also write all figures to this file")
    arguments = parser.parse_args()
    facts = machine()
    print(", ".join(f"{name} {value}" for name, value in facts.items()))
    results: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as scratch:
        for pair in PAIRS:
            if arguments.only not in pair.name:
                continue
            ours, theirs = measure(pair, arguments.corpus, Path(scratch), arguments.repeats)
            runs = {"ours": [asdict(run) for run in ours], "theirs": [asdict(run) for run in theirs]}
            results.append({"pair": pair.name, "bars": report(pair, ours, theirs), **runs})
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps({"machine": facts, "pairs": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
