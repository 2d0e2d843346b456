"""Enlarge a file of real text to any size, for benchmarks that need more than there is.

python benchmarks/corpus.py FOLDER --size 1.2GB --kinds parquet,jsonl,jsonl.zst [--files 4] [--source FILE]

Every copy but the first gets its number in front of each text, so that copies are not duplicates of each
other while the share that rules and deduplication drop stays that of the source. Rows, row groups and bytes
depend on the arguments alone. One row group is in memory at a time.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

KINDS = ("parquet", "jsonl", "jsonl.zst", "jsonl.gz")
SOURCE = Path(os.environ.get("PREPCORE_SHARED", "../shared")) / "data/corpus/mix-60k.parquet"
UNITS = {"GB": 10**9, "MB": 10**6, "kB": 10**3, "B": 1}


def size(text: str) -> int:
    """Read a size such as `1.2GB`."""
    for unit, factor in UNITS.items():
        if text.endswith(unit):
            return int(float(text.removesuffix(unit)) * factor)
    raise argparse.ArgumentTypeError(f"got {text!r}, expected a number and one of {', '.join(UNITS)}")


def row_groups(source: Path, column: str) -> Iterator[pl.DataFrame]:
    """Give the row groups of copy after copy, without end."""
    with pq.ParquetFile(source) as file:
        for copy in count():
            text = pl.col(column)
            # An empty text stays empty: a number would make it a document of one line.
            varied = pl.when(text == "").then(text).otherwise(pl.concat_str(pl.lit(f"{copy} "), text))
            for number in range(file.num_row_groups):
                frame = pl.DataFrame(file.read_row_group(number))
                yield frame.with_columns(varied.alias(column)) if copy else frame


def open_sink(path: Path, kind: str, stack: ExitStack) -> Callable[[pl.DataFrame], object]:
    """Open a file and return what appends a frame to it."""
    if kind == "parquet":
        writer: pq.ParquetWriter | None = None

        def append(frame: pl.DataFrame) -> None:
            nonlocal writer
            table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
            if writer is None:
                options = {"compression": "zstd", "compression_level": 3}
                writer = stack.enter_context(pq.ParquetWriter(path, table.schema, **options))
            writer.write_table(table)

        return append
    plain = stack.enter_context(path.open("wb"))
    codec = {"jsonl.zst": "zstd", "jsonl.gz": "gzip"}.get(kind)
    file = plain if codec is None else stack.enter_context(pa.CompressedOutputStream(plain, codec))
    return lambda frame: file.write(frame.write_ndjson().encode())


def write(folder: Path, bytes_of_text: int, kinds: list[str], files: int, source: Path, column: str) -> None:
    """Write `files` files of each kind, which together hold at least so many bytes of text."""
    folder.mkdir(parents=True, exist_ok=True)
    groups = row_groups(source, column)
    for number in range(files):
        name = "corpus" if files == 1 else f"corpus-{number:05}"
        written = 0
        with ExitStack() as stack:
            sinks = [open_sink(folder / f"{name}.{kind}", kind, stack) for kind in kinds]
            while written < bytes_of_text / files:
                frame = next(groups)
                written += frame[column].str.len_bytes().sum()
                for append in sinks:
                    append(frame)
        print(f"{name}: {written:,} bytes of text as {', '.join(kinds)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=size, default="1.2GB", help="bytes of text, such as 10GB (1.2GB)")
    parser.add_argument("--kinds", default="parquet", help=f"one or several of {','.join(KINDS)} (parquet)")
    parser.add_argument("--files", type=int, default=1, help="files of each kind (1)")
    parser.add_argument("--source", type=Path, default=SOURCE, help=f"Parquet file of real text ({SOURCE})")
    parser.add_argument("--text-column", default="text", help="column that holds the text (text)")
    arguments = parser.parse_args()
    kinds = arguments.kinds.split(",")
    if unknown := set(kinds) - set(KINDS):
        parser.error(f"--kinds: got {', '.join(sorted(unknown))}, expected some of {', '.join(KINDS)}")
    write(arguments.folder, arguments.size, kinds, arguments.files, arguments.source, arguments.text_column)


if __name__ == "__main__":
    main()
