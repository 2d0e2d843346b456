"""`prepcore.pack` of frames: the same rows as from files, as `Array(UInt32, L)`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow
import pytest

import prepcore
import prepcore.namespace
from tests.conftest import Run
from tests.prepcore.test_clean import GOOD

LENGTH = 48
TEXTS = [
    "",
    "</s>",
    "naïve 中文",
    "x" * 700,
    *(f"{GOOD} of {row}\n" + "word " * (row % 40) for row in range(300)),
]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory, prepcore_command: Run) -> Path:
    root = tmp_path_factory.mktemp("tokenizer")
    frame().write_parquet(root / "raw.parquet")
    prepcore_command("tokenizer", root / "raw.parquet", "--vocabulary-size", 300, "--out", root / "tokenizer")
    return root / "tokenizer"


@pytest.fixture(scope="module")
def wanted(tokenizer: Path) -> list[list[int]]:
    """The rows that files give."""
    out = tokenizer.parent / "tokens"
    manifest = prepcore.pack(
        tokenizer.parent / "raw.parquet", tokenizer=tokenizer, sequence_length=LENGTH, out=out
    )
    ids = np.fromfile(out / "tokens-00000.ds", "<u2")
    rows: list[list[int]] = ids[: len(ids) // LENGTH * LENGTH].reshape(-1, LENGTH).tolist()
    assert manifest["rows"] == len(rows) > 50
    return rows


def frame() -> pl.DataFrame:
    return pl.DataFrame({"number": range(len(TEXTS)), "text": TEXTS, "none": [None] * len(TEXTS)})


@pytest.mark.parametrize("kind", ["eager", "lazy", "arrow", "namespace", "lazy namespace"])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_frame_gives_the_rows_of_files(
    kind: str, threads: int, tokenizer: Path, wanted: list[list[int]]
) -> None:
    settings: dict[str, Any] = {"tokenizer": tokenizer, "sequence_length": LENGTH, "threads": threads}
    sources = {
        "eager": frame,
        "lazy": lambda: frame().lazy(),
        "arrow": lambda: pyarrow.table({"text": TEXTS}),
    }
    if kind in sources:
        rows = prepcore.pack(sources[kind](), **settings)
    else:
        chosen = frame() if kind == "namespace" else frame().lazy()
        rows = chosen.prep.pack(**settings)  # type: ignore[union-attr]
    assert rows.schema == {"input_ids": pl.Array(pl.UInt32, LENGTH)}
    assert rows["input_ids"].to_numpy().tolist() == wanted


def test_a_frame_goes_into_a_folder(tokenizer: Path, wanted: list[list[int]], tmp_path: Path) -> None:
    for number, source in enumerate((frame(), frame().lazy(), pyarrow.table({"text": TEXTS}))):
        out = tmp_path / str(number)
        manifest = prepcore.pack(source, tokenizer=tokenizer, sequence_length=LENGTH, out=out)
        tokens = prepcore.Tokens(out)
        assert tokens.rows()[:].tolist() == wanted
        assert manifest["counts"]["training"] == len(TEXTS)
        assert tokens.trace(0).pieces[0].source_row == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1", "2"]


def test_texts_that_are_null_are_told(tokenizer: Path, wanted: list[list[int]]) -> None:
    holes = pl.DataFrame({"text": [None, *TEXTS, None]}, schema={"text": pl.String})
    with pytest.warns(UserWarning, match="2 of 306 documents"):
        rows = prepcore.pack(holes, tokenizer=tokenizer, sequence_length=LENGTH)
    assert rows["input_ids"].to_numpy().tolist() == wanted


def test_little_gives_no_row(tokenizer: Path) -> None:
    for texts in ([], ["short"]):
        rows = prepcore.pack(
            pl.DataFrame({"text": texts}, schema={"text": pl.String}),
            tokenizer=tokenizer,
            sequence_length=LENGTH,
        )
        assert (len(rows), rows.schema) == (0, {"input_ids": pl.Array(pl.UInt32, LENGTH)})


def test_mistakes_are_sentences(tokenizer: Path, tmp_path: Path) -> None:
    with pytest.raises(prepcore.ConfigurationError, match="no column"):
        prepcore.pack(frame(), tokenizer=tokenizer, text_column="body")
    with pytest.raises(prepcore.InputError, match="no such file or folder"):
        prepcore.pack(frame(), tokenizer=tmp_path / "none")
    with pytest.raises(prepcore.ConfigurationError, match="one side alone"):
        prepcore.pack(frame(), tokenizer=tokenizer, validation=0.1)
    with pytest.raises(TypeError, match="give out="):
        prepcore.pack("raw.parquet", tokenizer=tokenizer)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="take a folder"):
        prepcore.pack(frame(), tokenizer=tokenizer, format="parquet")
