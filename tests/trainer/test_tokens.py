from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prepcore.arguments import UsageError
from prepcore.tokens.files import ENDS, TokenFile
from prepcore.tokens.split import TokenSplit
from tests.trainer.folders import write_token_folder
from tests.trainer.models import tiny_llama
from trainer.config import OptimizerConfig
from trainer.data import Rows
from trainer.loss import IGNORED
from trainer.model import LlamaModule
from trainer.tokens import TokenFolder

DOCUMENTS = st.lists(st.lists(st.integers(0, 500), max_size=9), max_size=8)


def split_of(files: list[list[list[int]]]) -> TokenSplit:
    return TokenSplit(
        [
            TokenFile(
                np.array([token for document in file for token in document], dtype="<u2"),
                np.cumsum([len(document) for document in file]).astype(ENDS),
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
        ({"dtype": "int7"}, "'int7'"),
    ):
        (folder / "manifest.json").write_text(json.dumps({**manifest, **change}))
        with pytest.raises(UsageError, match=message):
            TokenFolder.open(folder)


def test_best_fit_rows_need_their_index(tmp_path: Path) -> None:
    folder = write_token_folder(tmp_path / "t", [[[1, 5, 2], [1, 2]]], length=4, packing="best-fit")
    opened = TokenFolder.open(folder)
    assert opened.train.rows(4) == 2
    with pytest.raises(UsageError, match="no best-fit rows of 5 tokens; the lengths there are: 4"):
        opened.train.rows(5)


@pytest.mark.parametrize("isolate", [False, True])
def test_padding_is_not_learned(tmp_path: Path, isolate: bool) -> None:
    documents = [[[1, 5, 2], [1, 2]], [[1, 7, 8, 9, 10, 2], [1, 6, 2]]]
    path = write_token_folder(
        tmp_path / "t", documents, validation=[[1, 3, 4, 2]], length=6, packing="best-fit"
    )
    folder = TokenFolder.open(path)
    batch = Rows(folder.train, length=6, micro=9, isolate=isolate)[0]
    pad = folder.eos
    assert batch["input_ids"].tolist() == [[1, 5, 2, 1, 2, pad], [1, 7, 8, 9, 10, 2], [1, 6, 2, *[pad] * 3]]
    assert batch["labels"].tolist() == [
        [1, 5, 2, 1, 2, IGNORED],
        [1, 7, 8, 9, 10, 2],
        [1, 6, 2, *[IGNORED] * 3],
    ]
    if isolate:
        assert batch["position_ids"].tolist() == [[0, 1, 2, 0, 1, 0], [0, 1, 2, 3, 4, 5], [0, 1, 2, 0, 1, 2]]
    assert folder.validation is not None
    held_out = Rows(folder.validation, length=6, micro=9, isolate=isolate)[0]
    assert held_out["labels"].tolist() == [[1, 3, 4, 2, IGNORED, IGNORED]]

    model = tiny_llama().eval()
    module = LlamaModule(model, optimizer=OptimizerConfig(), learning_rate=lambda step: 1e-3)
    loss, targets = module.loss_sum(batch)
    assert targets.item() == 4 + 5 + 2
    # What stands in the padding changes nothing.
    batch["input_ids"] = batch["input_ids"].where(batch["labels"] != IGNORED, 17)
    torch.testing.assert_close(module.loss_sum(batch)[0], loss, rtol=0, atol=1e-5)
    if isolate:
        # Nor what stands in another document of the row: the second one's loss is the same alone.
        alone = {"input_ids": torch.tensor([[1, 2]]), "position_ids": torch.tensor([[0, 1]])}
        row = {name: ids[:1] for name, ids in batch.items()}
        row["labels"] = row["labels"].clone()
        row["labels"][:, :4] = IGNORED
        torch.testing.assert_close(module.loss_sum(row)[0], module.loss_sum(alone)[0], rtol=0, atol=1e-5)
