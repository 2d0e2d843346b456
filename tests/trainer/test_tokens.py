from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prepcore.arguments import UsageError
from tests.trainer.folders import write_token_folder
from trainer.tokens import TokenFile, TokenFolder, TokenSplit

DOCUMENTS = st.lists(st.lists(st.integers(0, 500), max_size=9), max_size=8)


def split_of(files: list[list[list[int]]]) -> TokenSplit:
    return TokenSplit(
        [
            TokenFile(
                np.array([token for document in file for token in document], dtype="<u2"),
                np.cumsum([len(document) for document in file]).astype("<u8"),
            )
            for file in files
        ],
        text_bytes=1,
    )


@given(files=st.lists(DOCUMENTS, min_size=1, max_size=4), length=st.integers(2, 11))
@settings(max_examples=150, deadline=None)
def test_rows_and_positions_equal_a_slow_reading(files: list[list[list[int]]], length: int) -> None:
    split = split_of(files)
    tokens, places = [], []
    for file in files:
        for document in file:
            tokens += document
            places += range(len(document))
    count = len(tokens) // length
    assert split.rows(length) == count
    rows = np.arange(count)
    assert split.read(rows, length).ravel().tolist() == tokens[: count * length]
    for row, found in enumerate(split.positions(rows, length).tolist()):
        expected = places[row * length : (row + 1) * length]
        # What began before the row counts from the row's beginning.
        carried = expected[0]
        for index, place in enumerate(expected):
            carried = carried if place == expected[0] + index and carried else 0
            assert found[index] == place - carried


def test_a_folder_opens_with_what_its_manifest_says(tmp_path: Path) -> None:
    folder = TokenFolder.open(
        write_token_folder(
            tmp_path / "t",
            [[[1, 5, 2]], [[1, 6, 7, 70_000]]],
            validation=[[1, 2] * 5],
            length=4,
            dtype="uint32",
        )
    )
    assert folder.train.read(np.array([0]), 4).tolist() == [[1, 5, 2, 1]]
    assert folder.train.tokens == 7
    assert folder.train.read(np.array([1]), 3).tolist() == [[1, 6, 7]]
    assert folder.validation is not None
    assert folder.validation.rows(4) == 2
    assert (folder.bos, folder.eos, folder.sequence_length, folder.vocabulary_size) == (1, 2, 4, 96)


def test_what_is_not_a_token_folder_is_refused_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no folder .*nowhere"):
        TokenFolder.open(tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"no manifest\.json"):
        TokenFolder.open(tmp_path)
    folder = write_token_folder(tmp_path / "t", [[[1, 5, 2]]])
    (folder / "tokens-00000.ds").write_bytes(b"\x01\x00")
    with pytest.raises(UsageError, match="has 2 bytes, its manifest states 3 entries"):
        TokenFolder.open(folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    for change, message in (
        ({"format": "else"}, "states the format 'else'"),
        ({"format_version": 9}, "format version 9"),
        ({"packing": "best-fit"}, "packed with 'best-fit'"),
        ({"dtype": "int7"}, "'int7'"),
    ):
        (folder / "manifest.json").write_text(json.dumps({**manifest, **change}))
        with pytest.raises(UsageError, match=message):
            TokenFolder.open(folder)
