"""Run the experiments that `plan` lists; what is in runs.jsonl is not run again.

python -m benchmarks.evidence.run --work DIR [--only CLAIM,…] [--seeds 1,2,3]

To be run from the repository's root, with `PREPCORE_SHARED` naming the folder that holds data/. DIR takes
token folders and runs (some 300 MB); it is needed to go on. Runs are done one after the other on one
thread, and one that was interrupted is begun again; a second process with the same DIR shares the work.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from benchmarks.evidence import data
from benchmarks.evidence.plan import BASE, BY_NAME, CHOOSING_SEED, CLAIMS, SEEDS, Cell, next_rate

from trainer.process import keep_freed_memory, quiet_lightning, quiet_transformers

HERE = Path(__file__).parent
RESULTS = HERE / "runs.jsonl"
FACTS = HERE / "data.json"


class Series:
    """The runs that were done, and how the next one is done.

    Several processes may share one: a cell's runs of one seed are one process's at a time.

    Parameters
    ----------
    work
        Folder of token folders and runs.
    results
        File with a line for each run that a learning rate was chosen by (``half`` is ``choose``), and one for
        each that is reported (``report``).
    """

    def __init__(self, work: Path, results: Path = RESULTS) -> None:
        self.work = work
        self.data = work / "data"
        self.results = results

    def lines(self) -> list[dict[str, Any]]:
        """Return all lines that there are."""
        if not self.results.exists():
            return []
        return [json.loads(line) for line in self.results.read_text().splitlines()]

    def done(self, cell: Cell, seed: int, half: str) -> dict[float, dict[str, Any]]:
        """Return the lines of a cell and a seed by their learning rates."""
        wanted = (cell.name, seed, half)
        return {
            line["rate"]: line
            for line in self.lines()
            if (line["cell"], line.get("seed"), line.get("half")) == wanted
        }

    def add(self, line: dict[str, Any]) -> None:
        """Append a line to the file."""
        with self.results.open("a") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())
        if "rate" in line:
            print(
                f"== {line['cell']} {line['rate']:g} {line['seed']} {line['half']}: {line['losses']}",
                flush=True,
            )

    @contextmanager
    def alone(self, cell: Cell, seed: int) -> Iterator[None]:
        """Keep other processes from the runs of a cell and a seed."""
        with (self.work / f"{cell.name}-{seed}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def rate(self, cell: Cell) -> float:
        """Return the learning rate of a cell, trying as many as that takes."""
        if cell.rate_of is not None:
            return self.rate(BY_NAME[cell.rate_of])
        with self.alone(cell, CHOOSING_SEED):
            while True:
                tried = self.done(cell, CHOOSING_SEED, "choose")
                found = {rate: line["losses"][cell.domain] for rate, line in tried.items()}
                rate = next_rate(cell, found)
                if rate is None:
                    return min(found, key=lambda each: found[each])
                self.try_rate(cell, rate)

    def try_rate(self, cell: Cell, rate: float) -> None:
        """Do a run to choose a learning rate by."""
        from benchmarks.evidence import training

        from trainer.errors import TrainingError

        line: dict[str, Any] = {"cell": cell.name, "rate": rate, "seed": CHOOSING_SEED, "half": "choose"}
        try:
            line["cpu_seconds"] = round(self.train(cell, rate, CHOOSING_SEED), 1)
            line |= training.choose(cell, data=self.data, run=self.folder(cell, rate, CHOOSING_SEED))
        except TrainingError as error:
            # A rate at which training breaks down is not the one that is wanted.
            line |= {"failed": str(error), "losses": {cell.domain: math.inf}}
        self.add(line)

    def report(self, cell: Cell, seed: int) -> None:
        """Do the run of a cell whose figures are reported, or take the one that the rate was chosen by."""
        from benchmarks.evidence import training

        rate, source = self.rate(cell), self.source(cell, seed)
        with self.alone(cell, seed):
            if rate in self.done(cell, seed, "report"):
                return
            run = self.folder(cell, rate, seed)
            seconds = self.done(cell, seed, "choose").get(rate, {}).get("cpu_seconds")
            if seconds is None or not finished(run):
                seconds = self.train(cell, rate, seed)
            line = {"cell": cell.name, "rate": rate, "seed": seed, "half": "report", "tokens": cell.tokens}
            line |= training.report(cell, seed, data=self.data, run=run, source=source)
            self.add(line | {"cpu_seconds": round(seconds, 1)})

    def train(self, cell: Cell, rate: float, seed: int) -> float:
        """Do a run; return its seconds of processor time."""
        from benchmarks.evidence import training

        run, source = self.folder(cell, rate, seed), self.source(cell, seed)
        return training.train(cell, rate, seed, data=self.data, run=run, source=source)

    def folder(self, cell: Cell, rate: float, seed: int) -> Path:
        """Return the folder of a run."""
        return self.work / "runs" / f"{cell.name}-{rate:g}-{seed}"

    def source(self, cell: Cell, seed: int) -> Path | None:
        """Return the folder that a cell's first weights come from, which may have to be trained."""
        if cell.source is None or cell.source == BASE:
            return None if cell.source is None else data.base_folder()
        base = BY_NAME[cell.source]
        self.report(base, seed)
        run = self.folder(base, self.rate(base), seed)
        if not finished(run):
            with self.alone(base, seed):
                self.train(base, self.rate(base), seed)
        return run / "checkpoints" / "last"


def finished(run: Path) -> bool:
    """Say whether the last checkpoint of a run that has its line is still there."""
    return (run / "checkpoints" / "last").exists()


def cells_of(claims: Sequence[str]) -> Iterator[Cell]:
    """Yield the cells of some claims, each once."""
    seen = set()
    for claim in CLAIMS:
        for name in claim.cells if claim.name in claims else ():
            if name not in seen:
                seen.add(name)
                yield BY_NAME[name]


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [claim.name for claim in CLAIMS]
    parser.add_argument("--work", type=Path, required=True, help="folder of token folders and runs")
    parser.add_argument("--only", default=",".join(names), help="claims, of " + ", ".join(names))
    parser.add_argument("--seeds", default=",".join(map(str, SEEDS)), help="seeds to report")
    arguments = parser.parse_args(words)
    claims, seeds = arguments.only.split(","), [int(seed) for seed in arguments.seeds.split(",")]
    if unknown := set(claims) - set(names):
        parser.error(f"--only: got {', '.join(sorted(unknown))}, expected some of {', '.join(names)}")
    if unknown_seeds := set(seeds) - set(SEEDS):
        parser.error(f"--seeds: got {sorted(unknown_seeds)}, expected some of {list(SEEDS)}")

    keep_freed_memory()
    quiet_transformers()
    quiet_lightning()
    import torch

    torch.set_num_threads(1)
    from benchmarks.evidence import training

    facts = data.make(arguments.work)
    FACTS.write_text(json.dumps(facts, indent=1) + "\n")
    series = Series(arguments.work)
    if not any(line["cell"] == "base" for line in series.lines()):
        series.add(training.measure_base(series.data))
    for seed in seeds:  # one seed of everything before the next
        for cell in cells_of(claims):
            series.report(cell, seed)


if __name__ == "__main__":
    main()
