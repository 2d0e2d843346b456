"""Language identification beside the fastText library: CPU time of one thread for the same texts.

python benchmarks/language.py [--shared ../shared] [--repeats 3] [--json benchmarks/results/language.json]

Ours and theirs run in turn, A B A B, in one process. Ours is `prepcore.FastText.predict` on the texts as they
are, with a predictor that has seen nothing before; theirs is `predict` on a list of texts whose line feeds
were deleted before the clock started. Seconds are user and system time of one thread; ratios are of medians,
theirs to ours. Labels and scores are compared bit for bit.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import fasttext
import numpy as np
import polars as pl
import pyarrow as pa

import prepcore

BARS = {"mix-60k": 8.0, "lingua": 3.0}
"""How many times as fast ours is to be."""


def read(shared: Path, name: str) -> pl.Series:
    if name == "mix-60k":
        return pl.read_parquet(shared / "data/corpus/mix-60k.parquet", columns=["text"])["text"]
    with pa.input_stream(shared / "data/lid/lid-lingua-sentences.jsonl.zst", compression="zstd") as file:
        lines = file.read().decode().split("\n")
    return pl.Series("text", [json.loads(line)["text"] for line in lines if line])


def ours(model: Path, texts: pl.Series) -> tuple[float, pl.DataFrame]:
    opened = prepcore.FastText(model)
    started = time.thread_time()
    found = opened.predict(texts)
    return time.thread_time() - started, found


def theirs(model: Any, texts: list[str]) -> tuple[float, Any]:
    started = time.thread_time()
    found = model.predict(texts)
    return time.thread_time() - started, found


def same(found: pl.DataFrame, wanted: Any) -> bool:
    labels, scores = wanted
    bits = np.array([score[0] for score in scores], dtype=np.float32).view(np.uint32)
    return found["label"].to_list() == [label[0] for label in labels] and bool(
        (found["score"].to_numpy().view(np.uint32) == bits).all()
    )


def machine() -> dict[str, object]:
    packages = ("prepcore", "fasttext-community", "polars")
    return {
        **{package: version(package) for package in packages},
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "load": round(os.getloadavg()[0], 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    shared = Path(os.environ.get("PREPCORE_SHARED", "../shared"))
    parser.add_argument("--shared", type=Path, default=shared, help=f"the folder of real data ({shared})")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each (3)")
    parser.add_argument("--json", type=Path, help="also write all figures to this file")
    arguments = parser.parse_args()
    facts = machine()
    print(", ".join(f"{name} {value}" for name, value in facts.items()))
    path = arguments.shared / "data/lid/lid.176.ftz"
    library = fasttext.load_model(str(path))
    results = []
    for name, bar in BARS.items():
        texts = read(arguments.shared, name)
        joined = [text.replace("\n", "") for text in texts]
        size = texts.str.len_bytes().sum() / 1e6
        runs: dict[str, list[float]] = {"ours": [], "theirs": []}
        for _ in range(arguments.repeats):
            seconds, found = ours(path, texts)
            runs["ours"].append(seconds)
            seconds, wanted = theirs(library, joined)
            runs["theirs"].append(seconds)
            if not same(found, wanted):
                sys.exit(f"{name}: labels or scores differ")
        medians = {side: statistics.median(seconds) for side, seconds in runs.items()}
        ratio = medians["theirs"] / medians["ours"]
        print(f"\n{name}: {len(texts):,} texts, {size:,.1f} MB; labels and scores are equal")
        for side, seconds in runs.items():
            listed = " ".join(f"{second:.2f}" for second in seconds)
            print(f"{side:8}{medians[side]:8.2f} s {size / medians[side]:8.1f} MB/s   ({listed})")
        print(f"ratio   {ratio:8.1f}   bar {bar:g} {'pass' if ratio >= bar else 'FAIL'}")
        results.append({"texts": name, "megabytes": size, "ratio": ratio, "bar": bar, "seconds": runs})
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps({"machine": facts, "results": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
