"""Print the first and the last validation of runs, from the ``metrics.csv`` in their folders.

python examples/course/losses.py course/5-run
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path


def main(runs: list[Path]) -> None:
    """Print two lines a run."""
    print(f"{'run':<28} {'step':>6} {'nats/token':>11} {'perplexity':>11} {'bits/byte':>10}")
    for run in runs:
        with (run / "metrics.csv").open(encoding="utf-8", newline="") as file:
            lines = [line for line in csv.DictReader(file) if line["validation_loss"]]
        for line in (lines[0], lines[-1]):
            loss, perplexity = float(line["validation_loss"]), float(line["perplexity"])
            bits = f"{float(line['bits_per_byte']):>10.3f}" if line["bits_per_byte"] else f"{'-':>10}"
            print(f"{run.name:<28} {line['step']:>6} {loss:>11.3f} {perplexity:>11.1f} {bits}")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(f"usage: {sys.argv[0]} RUN…")
    main([Path(word) for word in sys.argv[1:]])
