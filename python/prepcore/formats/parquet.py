"""Writing rows as Parquet: the course's layout, which `datasets.load_dataset` and the trainer read."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from prepcore.tokens.folder import SplitName, Tokens

FILE_IDS = 1 << 24
"""Ids of a file, which are held at once: 128 MiB as int64."""


def write_rows(tokens: Tokens, split: SplitName, target: Path, length: int) -> int:
    """Write the rows of one split; return how many there are.

    Files are named ``train/part-00000.parquet`` and ``validation/part-00000.parquet``: by the folders
    `datasets` tells the splits. Rows that may be padded have a column ``attention_mask`` beside
    ``input_ids``: 1 where a token stands, 0 for padding.
    """
    import polars as pl

    rows = tokens.rows(length, split=split)
    folder = target / split
    folder.mkdir(exist_ok=True)
    step = max(1, FILE_IDS // length)
    for number, first in enumerate(range(0, max(1, len(rows)), step)):
        chosen = np.arange(first, min(first + step, len(rows)))
        # 32 bits with a sign: what Arrow libraries and PyTorch take without a copy, and wide enough.
        columns = {"input_ids": rows.read(chosen).astype(np.int32)}
        if rows.is_padded:
            columns["attention_mask"] = rows.mask(chosen).astype(np.int8)
        series = [
            pl.Series(name, values, dtype=pl.Array(pl.Int32 if name == "input_ids" else pl.Int8, length))
            for name, values in columns.items()
        ]
        frame = pl.DataFrame(series).with_columns(pl.all().arr.to_list())
        frame.write_parquet(folder / f"part-{number:05}.parquet", statistics=False)
    return len(rows)
