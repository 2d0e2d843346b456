"""A corpus beyond the memory budget: bounded memory, the same bytes with keys in memory and on disk.

SOAK_SIZE sets the bytes of text (`make soak`: 10 GB), SOAK_FOLDER where the corpus and the outputs go. They
need about as much room as the text.
"""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.prepcore.measured import run
from tests.prepcore.running import digests, facts, manifest

SIZE = int(float(os.environ.get("SOAK_SIZE", "10e9")))
SAMPLE = 200_000_000
MEMORY = 1 << 30
GROUP = 4000


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with room; what is in it goes afterwards, where pytest would keep it."""
    made = Path(os.environ.get("SOAK_FOLDER", tmp_path)) / "soak"
    made.mkdir(parents=True)
    yield made
    shutil.rmtree(made)


def write_corpus(path: Path, size: int) -> int:
    """Write at least so many bytes of text, a tenth of the documents repeats; return the bytes."""
    drawn = random.Random(1)
    words = [
        "".join(drawn.choices("abcdefghijklmnopqrstuvwxyz", k=drawn.randint(2, 10))) for _ in range(5000)
    ]

    def text() -> str:
        lines = drawn.choice([2, 5, 10, 40, 80])
        return "\n".join(" ".join(drawn.choices(words, k=12)) for _ in range(lines))

    base = pl.DataFrame({"text": [text() for _ in range(GROUP)]}).with_row_index("row")
    schema = pa.schema([("text", pa.large_string()), ("id", pa.int64())])
    written, copy = 0, 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        while written < size:
            # Every tenth document is that of an earlier copy, if there is one.
            number = pl.when(pl.col("row") % 10 == 9).then(copy // 2).otherwise(copy)
            group = base.select(
                pl.format("{} {}", number, "text").alias("text"), (pl.col("row") + copy * GROUP).alias("id")
            )
            writer.write_table(group.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(schema))
            written += int(group["text"].str.len_bytes().sum())
            copy += 1
    return written


@pytest.mark.parametrize(
    "size", [SAMPLE, pytest.param(SIZE, marks=pytest.mark.soak)], ids=["sample", "in full"]
)
def test_a_corpus_beyond_the_memory(folder: Path, size: int) -> None:
    raw = folder / "raw.parquet"
    read = write_corpus(raw, size)
    outs = []
    for dedup in ("auto", "disk"):
        out = folder / dedup
        began = time.monotonic()
        words = ("clean", raw, "--out", out, "--memory", "1GiB", "--dedup", dedup, "--quiet")
        code, errors, peak, cpu = run(*words)
        wall = time.monotonic() - began
        assert code == 0, errors
        documents = manifest(out)["counts"]["documents"]
        print(f"--dedup {dedup}: {read / 1e9:.2f} GB of text, {documents:,} documents")
        print(f"  {wall:.1f} s, {read / wall / 1e6:.0f} MB/s, {cpu:.1f} s of CPU, {peak / 2**20:.0f} MiB")
        print(f"  seconds by step: {facts(out)['seconds_by_step']}")
        assert peak <= MEMORY * 5 // 4
        outs.append(out)
    assert manifest(outs[0])["counts"]["text_bytes"] == read
    assert manifest(outs[0])["counts"]["dropped"]["duplicate"] > 0
    assert digests(outs[0]) == digests(outs[1])
