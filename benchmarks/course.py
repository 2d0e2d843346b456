"""The profile `course` beside the same job on Hugging Face `datasets`, Parquet to Parquet, whole processes.

pip install datasets fasttext-community
python benchmarks/course.py ../shared [--repeats 3] [--json benchmarks/results/course.json]

The argument is the folder with `peers/course_clean.py` (the course's four filters, one after the other) and
the corpus mix-60k. Ours and theirs run in turn, after one run of ours that is not counted. Both must keep the
same rows. Theirs runs as the course does it, in one process; ours on all cores (two, for the figures kept).
Python finds the bytecode of both, as it does of what `pip install` has installed.
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
from importlib.metadata import version
from pathlib import Path

import polars as pl


def timed(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Run a process; seconds of wall and of CPU."""
    before, begun = os.times(), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **environment})
    wall, after = time.perf_counter() - begun, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, cpu


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("shared", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    corpus = options.shared / "data/corpus/mix-60k.parquet"
    model = options.shared / "data/lid/lid.176.ftz"
    program = options.shared / "peers/course_clean.py"
    walls: dict[str, list[float]] = {"ours": [], "theirs": []}
    cpus: dict[str, list[float]] = {"ours": [], "theirs": []}
    with tempfile.TemporaryDirectory() as folder:
        out, cleaned = Path(folder) / "ours", Path(folder) / "theirs.parquet"
        ours = [sys.executable, "-m", "prepcore", "clean", str(corpus), "--out", str(out), "--quiet"]
        ours += ["--profile", "course", "--language-model", str(model), "--columns", "text"]
        theirs = [sys.executable, str(program), str(corpus), str(cleaned), str(model)]
        home = {"HF_HOME": folder, "PYTHONPATH": os.pathsep.join([str(program.parent), *sys.path[1:]])}
        bytecode = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(Path(folder) / "bytecode")}
        timed(ours, bytecode)
        for _ in range(options.repeats):
            for name, command, environment in (("ours", ours, bytecode), ("theirs", theirs, home)):
                shutil.rmtree(out, ignore_errors=True) if name == "ours" else None
                wall, cpu = timed(command, environment)
                walls[name].append(wall)
                cpus[name].append(cpu)
                print(f"{name:>6}: {wall:6.2f} s, {cpu:6.2f} s of CPU", flush=True)
        kept = pl.read_parquet(out / "part-*.parquet")["text"]
        same = kept.equals(pl.read_parquet(cleaned)["text"])
    wall = {name: statistics.median(seconds) for name, seconds in walls.items()}
    cpu = {name: statistics.median(seconds) for name, seconds in cpus.items()}
    result = {
        "rows_kept": len(kept),
        "same_rows": same,
        "wall": wall,
        "cpu": cpu,
        "times_faster": {"wall": wall["theirs"] / wall["ours"], "cpu": cpu["theirs"] / cpu["ours"]},
        "repeats": options.repeats,
        "cores": os.cpu_count(),
        "versions": {name: version(name) for name in ("datasets", "fasttext-community", "polars")},
        "python": platform.python_version(),
    }
    print(json.dumps(result, indent=1))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    if not same:
        sys.exit("not the same rows")


if __name__ == "__main__":
    main()
