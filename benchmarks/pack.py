"""From Parquet to a token folder beside the encoder alone: whole processes, in turn.

python benchmarks/pack.py CORPUS [--tokenizer FOLDER] [--repeats 3] [--json FILE]

CORPUS is a Parquet file, such as mix-60k or what benchmarks/corpus.py makes of it. The encoder encodes all
its texts with one thread, from a cold cache (CPU time of the calls, the texts in memory, 4,096 at a time:
all ids at once would slow it by the memory they take). `pack` reads, encodes, counts and writes the same
texts with one thread and with two; whole processes are counted. What a process costs before it reads
anything, which a tokenizer with many merges makes the larger part of a small run, is measured apart: `pack`
of one short text.
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
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

ENCODER = """
import sys, time
import polars as pl
import prepcore
texts = pl.read_parquet(sys.argv[1], columns=["text"])["text"]
encoder = prepcore.Encoder(sys.argv[2])
begun = time.process_time()
for part in texts.to_frame().iter_slices(4096):
    encoder.encode(part["text"])
print(time.process_time() - begun, texts.str.len_bytes().sum())
"""


def encoder(corpus: Path, tokenizer: Path) -> tuple[float, int]:
    """Return the seconds of CPU that the encoder takes for a corpus, and the bytes of its texts."""
    words = [sys.executable, "-c", ENCODER, str(corpus), str(tokenizer)]
    seconds, size = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()
    return float(seconds), int(size)


def encoders_at_once(corpus: Path, tokenizer: Path) -> float:
    """Return the seconds of CPU that each of two encoders takes while the other runs."""
    with ThreadPoolExecutor() as pool:
        runs = list(pool.map(lambda _: encoder(corpus, tokenizer), range(2)))
    return statistics.mean(seconds for seconds, _ in runs)


def pack(source: Path, tokenizer: Path, threads: int, out: Path) -> dict[str, float]:
    """Run `prepcore pack` as a process; return its seconds of wall clock and CPU and its peak of memory."""
    shutil.rmtree(out, ignore_errors=True)
    words = [sys.executable, "-m", "prepcore", "pack", source, "--tokenizer", tokenizer, "--quiet"]
    words += ["--threads", threads, "--out", out]
    begun = time.perf_counter()
    with subprocess.Popen([*map(str, words)], stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - begun
    if process.returncode:
        sys.exit(f"pack failed with {process.returncode}")
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "peak_mb": usage.ru_maxrss * UNIT / 1e6}


UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in which the system gives a peak."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", type=Path)
    shared = Path(os.environ.get("PREPCORE_SHARED", "../shared"))
    parser.add_argument("--tokenizer", type=Path, default=shared / "data/tokenizers/mistral-v1")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        one, out = Path(folder) / "one.jsonl", Path(folder) / "tokens"
        one.write_text('{"text": "one"}\n', encoding="utf-8")
        pack(options.corpus, options.tokenizer, os.cpu_count() or 1, out)
        for _ in range(options.repeats):
            seconds, size = encoder(options.corpus, options.tokenizer)
            found["encoder_cpu"].append(seconds)
            found["encoder_of_two_cpu"].append(encoders_at_once(options.corpus, options.tokenizer))
            for name, source, threads in (
                ("start", one, 1),
                ("one", options.corpus, 1),
                ("two", options.corpus, 2),
            ):
                for what, value in pack(source, options.tokenizer, threads, out).items():
                    found[f"{name}_{what}"].append(value)
    median = {name: statistics.median(values) for name, values in found.items()}
    result = {
        "corpus": options.corpus.name,
        "megabytes": size / 1e6,
        "tokenizer": options.tokenizer.name,
        **{name: round(value, 3) for name, value in median.items()},
        "encoder_mb_a_second": size / 1e6 / median["encoder_cpu"],
        "pack_mb_a_second": size / 1e6 / median["one_cpu"],
        "share_of_the_encoder": median["encoder_cpu"] / median["one_cpu"],
        "share_without_start": median["encoder_cpu"] / (median["one_cpu"] - median["start_cpu"]),
        "two_threads": statistics.median(
            one / two for one, two in zip(found["one_wall"], found["two_wall"], strict=True)
        ),
        "two_encoders": 2 * median["encoder_cpu"] / median["encoder_of_two_cpu"],
        "repeats": options.repeats,
        "versions": {name: version(name) for name in ("prepcore", "polars", "tokenizers")},
        "python": platform.python_version(),
        "cores": os.cpu_count(),
    }
    print(json.dumps(result, indent=1))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
