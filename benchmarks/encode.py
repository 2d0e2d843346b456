"""Encoding beside the tokenizers library: CPU time of one thread for the documents of mix-60k.

python benchmarks/encode.py [--shared ../shared] [--repeats 2] [--documents 8000 | --all] [--json FILE]

Ours and theirs run in turn, A B A B, in one process, each run from a cold cache: with a tokenizer opened
for it, which is not timed. Ours encodes all documents into an Arrow list; theirs is `encode_batch_fast`,
its threads switched off, on every so many of the documents (`--documents`, 8,000 unless `--all`), as it
needs a minute for all. Seconds are user and system time of the process; ratios are of medians of bytes a
second, ours to theirs. Special tokens are text. Ids are compared document by document.

Where `fastokens` can be imported (`pip install --target FOLDER --no-deps fastokens`, then
`PYTHONPATH=FOLDER`), it runs on all documents as well, for the tokenizers for which there is a bar. At the
end: texts of 1 and 10 MB without a place to split, by our encoder alone.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import polars as pl
from tokenizers import Tokenizer

import prepcore

BARS = {"mistral-v1": 25.0, "llama2": 25.0, "gpt2": 20.0, "smollm2": 20.0, "llama3": 15.0}
"""How many times as fast as `tokenizers` ours is to be."""

FASTOKENS_BARS = {"mistral-v1": 5.0}
"""How many times as fast as `fastokens`."""

LONG_BARS = {1: 0.5, 10: 10.0}
"""Seconds for so many MB without a place to split."""

TOGETHER = 1_000
"""Documents in a call of theirs, whose encodings take a hundred times the room of the ids."""


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.process_time()
    outcome = work()
    return time.process_time() - started, outcome


def ours(path: Path, texts: pl.Series) -> tuple[float, pl.Series]:
    encoder = prepcore.Encoder(path)
    return timed(lambda: encoder.encode(texts))


def theirs(path: Path, texts: list[str]) -> tuple[float, list[list[int]]]:
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True
    seconds, ids = 0.0, []
    for start in range(0, len(texts), TOGETHER):
        part = texts[start : start + TOGETHER]
        took, encodings = timed(lambda part=part: tokenizer.encode_batch_fast(part, add_special_tokens=False))
        seconds += took
        ids += [encoding.ids for encoding in encodings]
    return seconds, ids


def by_fastokens(path: Path, texts: list[str]) -> float | None:
    """Return the seconds for all texts, or nothing where it is not installed or fails."""
    try:
        from fastokens import Tokenizer as FastTokenizer
    except ImportError:
        return None
    tokenizer = FastTokenizer.from_file(str(path))

    def encode() -> None:
        for text in texts:
            tokenizer.encode(text, add_special_tokens=False)

    try:
        return timed(encode)[0]
    except Exception as error:
        print(f"fastokens failed: {error}")
        return None


def long_texts(megabytes: int) -> dict[str, str]:
    draw = random.Random(7)
    size = megabytes * 1_000_000
    units = {
        "a": "a",
        "ab": "ab",
        "spaces": " ",
        "newlines": "\n",
        "dashes": "-",
        "Chinese": "我们的中国人",
        "emoji": "😀",
    }
    return {
        **{name: unit * (size // len(unit.encode())) for name, unit in units.items()},
        "letters": "".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=size)),
    }


def compare(found: pl.Series, every: int, wanted: Iterable[list[int]], name: str) -> None:
    for row, (ids, expected) in enumerate(zip(found.gather_every(every), wanted, strict=True)):
        if ids.to_list() != expected:
            sys.exit(f"{name}: ids of document {row * every} differ")


def machine() -> dict[str, object]:
    return {
        **{package: version(package) for package in ("prepcore", "tokenizers", "polars")},
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "load": round(os.getloadavg()[0], 2),
    }


def verdict(ratio: float, bar: float) -> str:
    return f"{ratio:6.1f}   bar {bar:g} {'pass' if ratio >= bar else 'FAIL'}"


def measure(name: str, path: Path, texts: pl.Series, documents: int, repeats: int) -> dict[str, Any]:
    every = max(1, len(texts) // documents)
    sample = texts.gather_every(every)
    sizes = {
        side: chosen.str.len_bytes().sum() / 1e6 for side, chosen in (("ours", texts), ("theirs", sample))
    }
    runs: dict[str, list[float]] = {"ours": [], "theirs": []}
    listed = sample.to_list()
    for repeat in range(repeats):
        seconds, found = ours(path, texts)
        runs["ours"].append(seconds)
        seconds, wanted = theirs(path, listed)
        runs["theirs"].append(seconds)
        if repeat == 0:
            compare(found, every, wanted, name)
    tokens = found.list.len().sum()
    del found, wanted
    encoder = prepcore.Encoder(path)
    print(f"\n{name} ({encoder.name}): {len(texts):,} texts, {sizes['ours']:,.1f} MB, {tokens:,} ids")
    print(f"ids of {len(listed):,} texts are equal; theirs is timed on these, {sizes['theirs']:,.1f} MB")
    rates = {side: sizes[side] / statistics.median(runs[side]) for side in runs}
    for side, rate in rates.items():
        print(f"{side:10}{rate:8.1f} MB/s   ({' '.join(f'{second:.2f}' for second in runs[side])} s)")
    ratio = rates["ours"] / rates["theirs"]
    print(f"{'ratio':10}{verdict(ratio, BARS[name])}")
    result = {
        "tokenizer": name,
        "encoder": encoder.name,
        "megabytes": sizes,
        "ratio": ratio,
        "bar": BARS[name],
    }
    if name in FASTOKENS_BARS and (seconds := by_fastokens(path, texts.to_list())):
        rate = sizes["ours"] / seconds
        print(f"fastokens {rate:8.1f} MB/s   ({seconds:.2f} s)")
        print(f"{'ratio':10}{verdict(rates['ours'] / rate, FASTOKENS_BARS[name])}")
        result["fastokens"] = seconds
    return {**result, "tokens": tokens, "seconds": runs, "long": measure_long(encoder)}


def measure_long(encoder: prepcore.Encoder) -> dict[str, dict[str, float]]:
    long = {}
    for megabytes, bar in LONG_BARS.items():
        took = {
            name: timed(lambda text=text: encoder.encode([text]))[0]
            for name, text in long_texts(megabytes).items()
        }
        worst = max(took, key=lambda name: took[name])
        passed = "pass" if took[worst] < bar else "FAIL"
        most = f"at most {took[worst]:.2f} s ({worst})"
        print(f"{megabytes:3} MB without a place to split: {most}   bar {bar:g} s {passed}")
        long[f"{megabytes} MB"] = took
    return long


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    shared = Path(os.environ.get("PREPCORE_SHARED", "../shared"))
    parser.add_argument("--shared", type=Path, default=shared, help=f"the folder of real data ({shared})")
    parser.add_argument("--repeats", type=int, default=2, help="runs of each (2)")
    parser.add_argument("--documents", type=int, default=8_000, help="documents for theirs, about (8000)")
    parser.add_argument("--all", action="store_true", help="all documents for theirs too")
    parser.add_argument("--tokenizers", default=",".join(BARS), help=f"some of {','.join(BARS)} (all)")
    parser.add_argument("--json", type=Path, help="also write all figures to this file")
    arguments = parser.parse_args()
    names = arguments.tokenizers.split(",")
    if unknown := set(names) - set(BARS):
        parser.error(f"--tokenizers: got {', '.join(sorted(unknown))}, expected some of {', '.join(BARS)}")
    facts = machine()
    print(", ".join(f"{name} {value}" for name, value in facts.items()))
    texts = pl.read_parquet(arguments.shared / "data/corpus/mix-60k.parquet", columns=["text"])[
        "text"
    ].rechunk()
    documents = len(texts) if arguments.all else arguments.documents
    results = []
    for name in names:
        path = arguments.shared / "data/tokenizers" / name / "tokenizer.json"
        results.append(measure(name, path, texts, documents, arguments.repeats))
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps({"machine": facts, "results": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
