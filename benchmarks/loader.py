"""How fast training rows come: tokens a second of the data loader alone, from a warm page cache.

python benchmarks/loader.py TOKENS [--length 2048] [--micro 8] [--rows 256] [--seconds 5] [--json FILE]

TOKENS is a token folder, such as `prepcore pack` makes of mix-60k. Steps of `--rows` rows are taken from the
loader that `fit` trains on, one process, in the order of a run, with documents isolated and not; nothing is
done with them. The folder is read once before, so that it lies in the page cache. And the order alone: rows
of steps anywhere in 10^12 tokens, looked up without reading them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

from trainer import PackedTokens
from trainer.order import StepOrder
from trainer.ramp import step_sizes

TRILLION = 10**12


def loaded(tokens: Path, length: int, micro: int, rows: int, seconds: float, isolate: bool) -> float:
    """Return tokens a second."""
    data = PackedTokens(
        tokens, length=length, micro=micro, rows_per_step=rows, total_steps=10**9, isolate=isolate
    )
    steps = iter(data.train_dataloader())
    next(steps)
    taken, begun = 0, time.perf_counter()
    while (passed := time.perf_counter() - begun) < seconds:
        taken += next(steps)["input_ids"].numel()
    return taken / passed


def looked_up(rows: int, length: int) -> dict[str, float]:
    """Return microseconds for the rows of a step, early and late in a trillion tokens."""
    order = StepOrder(TRILLION // length, step_sizes(rows), seed=0)
    last = TRILLION // length // rows
    found = {}
    for name, first in (("first_steps", 0), ("last_steps", last - 1000)):
        begun = time.perf_counter()
        for step in range(first, first + 1000):
            order.rows_of_step(step)
        found[name] = 1e3 * (time.perf_counter() - begun)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tokens", type=Path)
    parser.add_argument("--length", type=int, default=2048)
    parser.add_argument("--micro", type=int, default=8)
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    for path in options.tokens.glob("tokens-*"):
        np.fromfile(path, dtype=np.uint8)
    settings = (options.tokens, options.length, options.micro, options.rows, options.seconds)
    result = {
        "million_tokens_a_second": {
            name: loaded(*settings, isolate) / 1e6
            for name, isolate in (("isolated", True), ("joined", False))
        },
        "microseconds_a_look_up": looked_up(options.rows, options.length),
        "length": options.length,
        "rows_a_step": options.rows,
        "versions": {name: version(name) for name in ("prepcore", "torch", "pytorch-lightning")},
        "python": platform.python_version(),
        "cores": os.cpu_count(),
    }
    print(json.dumps(result, indent=1))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
