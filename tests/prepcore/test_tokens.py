"""`prepcore.Tokens` and `prepcore trace`: token folders read back, rows to documents and to their sources."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import prepcore
from prepcore.arguments import UsageError
from prepcore.tokens.files import ENDS, TokenFile
from prepcore.tokens.row_index import RowIndex
from prepcore.tokens.split import TokenSplit
from tests.conftest import Run
from tests.prepcore.folders import token_folder
from tests.prepcore.test_clean import GOOD
from tests.row_index import first_fit, write_row_index

LENGTH = 64
TEXTS = [
    *("", "</s>", "naïve 中文 한국어 🦀", "\x1b[31mred\x1b[0m and \u202eback", "x" * 900),
    *(f"{GOOD} of {row}\n" + "word " * (row % 40) for row in range(80)),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, prepcore_command: Run) -> Path:
    """A token folder whose manifest has a row index of first fit beside the concatenation."""
    root = tmp_path_factory.mktemp("tokens")
    return token_folder(prepcore_command, root, TEXTS, LENGTH)


@pytest.fixture
def best_fit(folder: Path) -> Any:
    """The same folder, stating that a row index made its rows."""
    stated = (folder / "manifest.json").read_text()
    manifest = json.loads(stated)
    manifest["packing"] = "best-fit"
    for prefix, split in (("", manifest), ("validation/", manifest["validation"])):
        ends = np.fromfile(folder / f"{prefix}tokens-00000.ds.index", "<u8").astype(int)
        rows = first_fit(np.diff(ends, prepend=0).tolist(), LENGTH)
        split["row_indexes"] = [write_row_index(folder, prefix, rows, LENGTH)]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    yield folder
    (folder / "manifest.json").write_text(stated)


def test_documents_and_rows_are_those_of_the_files(folder: Path) -> None:
    tokens = prepcore.Tokens(folder)
    ids = np.fromfile(folder / "tokens-00000.ds", "<u2")
    ends = np.fromfile(folder / "tokens-00000.ds.index", "<u8").astype(int)
    assert tokens.train.documents == len(ends) == tokens.manifest["documents"]
    documents = [part.tolist() for part in np.split(ids, ends[:-1])]
    assert [tokens.document(number).tolist() for number in range(len(ends))] == documents
    assert isinstance(tokens.document(3).base, np.memmap)
    for length in (LENGTH, 7):
        rows = tokens.rows(length)
        assert rows[:].tolist() == ids[: len(ids) // length * length].reshape(-1, length).tolist()
        assert rows[-1].tolist() == rows[len(rows) - 1].tolist() == tokens.row(len(rows) - 1, length).tolist()
    assert len(list(tokens.rows(split="validation"))) == tokens.manifest["validation"]["rows"]
    assert (tokens.bos, tokens.eos, tokens.dtype) == (0, 1, np.dtype("<u2"))
    assert "documents" in repr(tokens)


def test_documents_decode_to_their_texts(folder: Path) -> None:
    tokens = prepcore.Tokens(folder)
    sources = pl.read_parquet(folder / "sources.parquet")
    for split in ("train", "validation"):
        of_split = sources.filter(pl.col("split") == split)
        assert len(of_split) > 5
        for document, row in of_split.select("document", "row").iter_rows():
            assert tokens.decode(tokens.document(document, split=split)) == f"<s>{TEXTS[row]}</s>"


@pytest.mark.parametrize("packing", ["concatenate", "best-fit"])
def test_a_row_is_traced_to_its_sources(folder: Path, packing: str, request: Any) -> None:
    if packing == "best-fit":
        request.getfixturevalue("best_fit")
    tokens = prepcore.Tokens(folder)
    assert tokens.packing == packing
    for split in ("train", "validation"):
        seen: dict[int, str] = {}
        rows = tokens.rows(split=split)
        padding = 0
        for number in range(len(rows)):
            trace = tokens.trace(number, split=split)
            ids: list[int] = []
            for piece in trace.pieces:
                assert piece.begin == len(ids)
                first, end = piece.tokens
                document = tokens.document(piece.document, split=split)
                assert piece.document_tokens == len(document)
                ids += document[first:end].tolist()
                assert piece.text == tokens.decode(document[first:end])
                assert piece.source == "raw.parquet"
                seen[int(piece.source_row or 0)] = seen.get(int(piece.source_row or 0), "") + piece.text
            assert ids + [tokens.padding_id] * trace.padding == rows[number].tolist()
            mask = rows.mask([number])[0]
            assert mask.tolist() == [True] * len(ids) + [False] * trace.padding
            padding += trace.padding
        assert padding == rows.padding
        # Every document was met, whole where no row cuts it within a character.
        cut = 1 if packing == "concatenate" else 0
        sources = pl.read_parquet(folder / "sources.parquet").filter(pl.col("split") == split)
        assert len(seen) >= len(sources) - cut
        whole = [text == f"<s>{TEXTS[row]}</s>" for row, text in seen.items()]
        assert sum(whole) >= len(seen) - 2


DOCUMENTS = st.lists(st.lists(st.integers(0, 500), max_size=9), max_size=8)


@given(files=st.lists(DOCUMENTS, min_size=1, max_size=4), length=st.integers(2, 11))
@settings(max_examples=150, deadline=None)
def test_pieces_and_indexed_rows_equal_a_slow_reading(
    files: list[list[list[int]]], length: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    documents = [document for file in files for document in file]
    folder = tmp_path_factory.mktemp("index")
    rows = first_fit([len(document) for document in documents], length)
    split = TokenSplit(
        [
            TokenFile(
                np.array([token for document in file for token in document], dtype="<u2"),
                np.cumsum([len(document) for document in file]).astype(ENDS),
            )
            for file in files
        ],
        text_bytes=1,
        row_indexes=[RowIndex.open(folder, write_row_index(folder, "", rows, length))],
        padding_id=999,
    )
    flat = [(number, token) for number, document in enumerate(documents) for token in document]
    cut = split.packed(length)
    assert len(cut) == len(flat) // length
    for row in range(len(cut)):
        wanted = flat[row * length : (row + 1) * length]
        found = cut.pieces(row)
        assert [piece.document for piece in found for _ in range(piece.length)] == [n for n, _ in wanted]
        again = [documents[piece.document][piece.offset : piece.offset + piece.length] for piece in found]
        assert [token for ids in again for token in ids] == [token for _, token in wanted]
        assert [piece.begin for piece in found] == [sum(map(len, again[:k])) for k in range(len(again))]

    packed = split.packed(length, "best-fit")
    everything = np.arange(len(packed))
    for row, (ids, places, mask) in enumerate(
        zip(packed.read(everything), packed.positions(everything), packed.mask(everything), strict=True)
    ):
        wanted_ids, wanted_places = [], []
        for document, offset, size in rows[row]:
            wanted_ids += documents[document][offset : offset + size]
            wanted_places += range(size)
        missing = length - len(wanted_ids)
        assert ids.tolist() == wanted_ids + [999] * missing
        assert places.tolist() == wanted_places + list(range(missing))
        assert mask.tolist() == [True] * len(wanted_ids) + [False] * missing


def test_trace_prints_what_a_terminal_can_take(folder: Path, prepcore_command: Run) -> None:
    tokens = prepcore.Tokens(folder)
    sources = pl.read_parquet(folder / "sources.parquet")
    [red] = sources.filter(pl.col("row") == TEXTS.index("\x1b[31mred\x1b[0m and \u202eback")).rows()
    document, split = red[0], red[1]
    rows = tokens.rows(split=split)
    number = next(
        row for row in range(len(rows)) if any(piece.document == document for piece in rows.pieces(row))
    )
    shown = prepcore_command("trace", folder, "--row", number, "--split", split).stdout
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert f"row {number:,} of {split}: 64 tokens" in shown
    assert f"raw.parquet row {red[3]}" in shown
    assert "\\u001b[31m" in shown
    printed = prepcore_command("trace", folder, "--row", number, "--split", split, "--json").stdout
    assert json.loads(printed) == json.loads(json.dumps(tokens.trace(number, split=split).as_dict()))
    assert sum(piece["tokens"][1] - piece["tokens"][0] for piece in json.loads(printed)["pieces"]) == 64


def test_long_pieces_show_their_head_or_all(folder: Path, prepcore_command: Run) -> None:
    head = prepcore_command("trace", folder, "--row", 0, "--sequence-length", 900).stdout
    assert "more characters (--full shows them)" in head
    full = prepcore_command("trace", folder, "--row", 0, "--sequence-length", 900, "--full").stdout
    assert "more characters" not in full
    assert len(full) > len(head)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--row", "100000"], "row 100,000 is not one of them"),
        (["--row", "-1"], "--row"),
        (["--row", "0", "--split", "test"], "--split"),
        ([], "--row must be given"),
    ],
)
def test_mistakes_are_sentences(arguments: list[str], said: str, folder: Path, prepcore_command: Run) -> None:
    done = prepcore_command("trace", folder, *arguments, check=2)
    assert said in done.stderr
    assert done.stdout == ""


def test_folders_that_are_not_what_they_say(best_fit: Path, tmp_path: Path, prepcore_command: Run) -> None:
    assert "has no manifest.json" in prepcore_command("trace", tmp_path, "--row", 0, check=2).stderr
    with pytest.raises(UsageError, match="90 is not one of them"):
        prepcore.Tokens(best_fit).document(90)
    with pytest.raises(UsageError, match=r"no best-fit rows of 65 tokens; the lengths there are: 64"):
        prepcore.Tokens(best_fit).rows(65)
    assert len(prepcore.Tokens(best_fit).rows(65, packing="concatenate"))
    index = best_fit / f"rows-{LENGTH}.idx"
    whole = index.read_bytes()
    for damaged, said in (
        (whole[:-1], "wanted"),
        (b"ELSE" + whole[4:], "it is no row index"),
        (whole[:10], "it is no row index"),
    ):
        index.write_bytes(damaged)
        with pytest.raises(UsageError, match=said):
            prepcore.Tokens(best_fit)
    index.unlink()
    with pytest.raises(UsageError, match=r"rows-64\.idx is missing, though the manifest"):
        prepcore.Tokens(best_fit)
    index.write_bytes(whole[:-4] + b"\xff\xff\0\0")
    with pytest.raises(UsageError, match="longer than the row of 64"):
        prepcore.Tokens(best_fit).rows()[-1]


def test_the_command_line_names_its_commands_without_numpy() -> None:
    code = "import sys, prepcore, prepcore.cli; print(sorted({'numpy', 'polars'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
