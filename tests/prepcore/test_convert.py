"""`prepcore convert`: other people's token files both ways, by their own readers where these are there."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import prepcore
from prepcore.arguments import UsageError
from prepcore.formats import source as batching
from tests.conftest import Run
from tests.prepcore.folders import token_folder
from tests.prepcore.test_clean import GOOD

LENGTH = 32
TEXTS = [
    "",
    "</s>",
    "naïve 中文",
    "x" * 300,
    *(f"{GOOD} of {row}\n" + "word " * (row % 30) for row in range(120)),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, prepcore_command: Run) -> Path:
    root = tmp_path_factory.mktemp("packed")
    return token_folder(prepcore_command, root, TEXTS, LENGTH)


def documents_of(path: Path, split: Any = "train") -> list[list[int]]:
    tokens = prepcore.Tokens(path)
    return [tokens.document(number, split=split).tolist() for number in range(tokens.split(split).documents)]


def strip_ours(folder: Path, target: Path) -> Path:
    """The token files of a folder alone, as datatrove leaves them."""
    for path in folder.rglob("*.ds*"):
        (target / path.relative_to(folder)).parent.mkdir(parents=True, exist_ok=True)
        (target / path.relative_to(folder)).write_bytes(path.read_bytes())
    return target


def read_megatron(prefix: Path) -> list[list[int]]:
    """Documents by the published layout of Megatron-LM's IndexedDataset, field by field."""
    data = prefix.with_suffix(".idx").read_bytes()
    assert data[:9] == b"MMIDIDX\x00\x00"
    version, code = struct.unpack_from("<QB", data, 9)
    assert version == 1
    dtype = {4: np.dtype("<i4"), 8: np.dtype("<u2")}[code]
    sequences, borders = struct.unpack_from("<QQ", data, 18)
    place = 34
    lengths = struct.unpack_from(f"<{sequences}i", data, place)
    pointers = struct.unpack_from(f"<{sequences}q", data, place + 4 * sequences)
    documents = struct.unpack_from(f"<{borders}q", data, place + 12 * sequences)
    assert len(data) == place + 12 * sequences + 8 * borders
    assert documents == tuple(range(sequences + 1))
    ids = prefix.with_suffix(".bin").read_bytes()
    assert len(ids) == sum(lengths) * dtype.itemsize
    return [
        np.frombuffer(ids, dtype, length, pointer).tolist()
        for length, pointer in zip(lengths, pointers, strict=True)
    ]


@pytest.mark.parametrize("batch_ids", [1, 100, 1 << 22])
def test_megatron_and_back(
    folder: Path, tmp_path: Path, batch_ids: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "BATCH_IDS", batch_ids)
    counts = prepcore.convert(folder, out=tmp_path / "megatron", format="megatron")
    for split in ("train", "validation"):
        wanted = documents_of(folder, split)
        assert read_megatron(tmp_path / "megatron" / split) == wanted
        assert counts[split] == {"documents": len(wanted), "tokens": sum(map(len, wanted))}
    assert (tmp_path / "megatron" / "tokenizer" / "tokenizer.json").is_file()
    tokenizer = folder / "tokenizer"
    manifest = prepcore.convert(tmp_path / "megatron", out=tmp_path / "back", tokenizer=tokenizer)
    for split in ("train", "validation"):
        assert documents_of(tmp_path / "back", split) == documents_of(folder, split)
    assert manifest["special"] == json.loads((folder / "manifest.json").read_text())["special"]
    assert manifest["dtype"] == "uint16"
    again = prepcore.Tokens(tmp_path / "back")
    assert again.decode(again.document(0)) == prepcore.Tokens(folder).decode(documents_of(folder)[0])
    assert again.statistics["train"]["tokens"] == manifest["tokens"]
    for name in ("train", "train.bin", "train.idx"):
        out = tmp_path / f"from-{name}"
        prepcore.convert(tmp_path / "megatron" / name, out=out)
        assert documents_of(out) == documents_of(folder)
        # Four bytes where no tokenizer says how large ids may be would be wasted; the width is the input's.
        assert prepcore.Tokens(out).dtype == np.dtype("<u2")


@given(
    documents=st.lists(st.lists(st.lists(st.integers(0, 70_000), max_size=4), max_size=3), max_size=6).filter(
        lambda documents: any(sequence for document in documents for sequence in document)
    )
)
@settings(max_examples=40, deadline=None)
def test_documents_of_several_sequences(
    documents: list[list[list[int]]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What Megatron-LM writes with sentence splitting: a document is some sequences, or none."""
    root = tmp_path_factory.mktemp("megatron")
    sequences = [sequence for document in documents for sequence in document]
    ids = [token for sequence in sequences for token in sequence]
    lengths = [len(sequence) for sequence in sequences]
    pointers = [4 * sum(lengths[:place]) for place in range(len(lengths))]
    borders = [0]
    for document in documents:
        borders.append(borders[-1] + len(document))
    head = b"MMIDIDX\x00\x00" + struct.pack("<QBQQ", 1, 4, len(sequences), len(borders))
    body = struct.pack(f"<{len(lengths)}i", *lengths) + struct.pack(f"<{len(pointers)}q", *pointers)
    (root / "made.idx").write_bytes(head + body + struct.pack(f"<{len(borders)}q", *borders))
    np.array(ids, "<i4").tofile(root / "made.bin")
    prepcore.convert(root / "made", out=root / "out")
    joined = [[token for sequence in document for token in sequence] for document in documents]
    assert documents_of(root / "out") == joined
    assert prepcore.Tokens(root / "out").dtype == np.dtype("<u4")


def test_datatrove_reads_a_token_folder(folder: Path) -> None:
    datasets = pytest.importorskip(
        "datatrove.utils.dataset", reason="datatrove is not installed: its own reader cannot be asked"
    )
    tokens = prepcore.Tokens(folder)
    for split, path in (("train", folder), ("validation", folder / "validation")):
        # It cuts rows of one more than the length that it is told.
        theirs = datasets.DatatroveFolderDataset(
            str(path), seq_len=LENGTH - 1, token_size=2, recursive=False, return_positions=True
        )
        rows = tokens.rows(split=split)
        assert len(theirs) == len(rows) > 10
        positions = rows.positions(np.arange(len(rows)))
        for number in range(len(rows)):
            item = theirs[number]
            assert item["input_ids"].tolist() == rows[number].tolist()
            assert item["positions"].tolist() == positions[number].tolist()


def test_what_datatrove_writes_becomes_a_token_folder(folder: Path, tmp_path: Path) -> None:
    writing = pytest.importorskip(
        "datatrove.pipeline.tokens.tokenizer", reason="datatrove is not installed: it cannot write"
    )
    documents = {0: documents_of(folder)[:40], 1: documents_of(folder)[40:]}
    for number, chosen in documents.items():
        file = writing.TokenizedFile(
            str(tmp_path / "theirs"),
            f"{number:05}_tokens.ds",
            tokenizer_name_or_path="some/tokenizer",
            save_final_metadata=True,
            token_size=2,
        )
        for document in chosen:
            file.write(document, None)
        file.close()
    prepcore.convert(tmp_path / "theirs", out=tmp_path / "ours", tokenizer=folder / "tokenizer")
    assert documents_of(tmp_path / "ours") == documents_of(folder)


def test_files_of_tokens_without_a_manifest(folder: Path, tmp_path: Path, prepcore_command: Run) -> None:
    bare = strip_ours(folder, tmp_path / "bare")
    done = prepcore_command(
        "convert",
        bare,
        "--tokenizer",
        folder / "tokenizer",
        "--out",
        tmp_path / "out",
        "--sequence-length",
        50,
    )
    assert f"written: {tmp_path / 'out'}" in done.stdout
    for split in ("train", "validation"):
        assert documents_of(tmp_path / "out", split) == documents_of(folder, split)
    assert prepcore.Tokens(tmp_path / "out").sequence_length == 50
    ours, theirs = (path / "tokens-00000.ds" for path in (folder, tmp_path / "out"))
    assert ours.read_bytes() == theirs.read_bytes()
    stated = [json.loads((path.parent / "manifest.json").read_text())["files"][0] for path in (ours, theirs)]
    assert stated[0]["checksum"] == stated[1]["checksum"]


def test_parquet_rows_and_back(folder: Path, tmp_path: Path) -> None:
    counts = prepcore.convert(folder, out=tmp_path / "rows", format="parquet")
    tokens = prepcore.Tokens(folder)
    for split, path in (("train", "train/*.parquet"), ("validation", "validation/*.parquet")):
        read = pl.read_parquet(tmp_path / "rows" / path)
        assert read.schema == {"input_ids": pl.List(pl.Int32)}
        assert read["input_ids"].to_list() == tokens.rows(split=split)[:].tolist()
        assert counts[split]["rows"] == len(read)
    prepcore.convert(tmp_path / "rows", out=tmp_path / "back", tokenizer=folder / "tokenizer")
    back = prepcore.Tokens(tmp_path / "back")
    assert back.rows()[:].tolist() == tokens.rows()[:].tolist()
    assert not back.has_borders
    with pytest.raises(UsageError, match="does not know where documents end"):
        back.trace(0)
    with pytest.raises(UsageError, match="lost their document borders"):
        prepcore.convert(tmp_path / "back", out=tmp_path / "none", format="megatron")
    assert not (tmp_path / "none").exists()


def test_lists_of_many_lengths_are_documents(folder: Path, tmp_path: Path) -> None:
    documents = documents_of(folder)
    frame = pl.DataFrame({"input_ids": [*documents, []], "other": range(len(documents) + 1)})
    frame.write_parquet(tmp_path / "documents.parquet", row_group_size=7)
    manifest = prepcore.convert(tmp_path / "documents.parquet", out=tmp_path / "out")
    assert documents_of(tmp_path / "out") == [*documents, []]
    assert (manifest["tokenizer"], manifest["sequence_length"], manifest["dtype"]) == (None, 2048, "uint32")
    with pytest.raises(UsageError, match="came without a tokenizer"):
        prepcore.Tokens(tmp_path / "out").decode([1])


def test_datasets_of_hugging_face(folder: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="datasets is not installed: its folders cannot be made")
    splits = {name: documents_of(folder, name) for name in ("train", "validation")}
    # With a fingerprint of ours none is made, which fails under some versions of pyarrow.
    made = {
        name: datasets.Dataset(
            datasets.table.InMemoryTable(pyarrow.table({"input_ids": documents})), fingerprint=name
        )
        for name, documents in splits.items()
    }
    datasets.DatasetDict(made).save_to_disk(str(tmp_path / "splits"))
    made["train"].save_to_disk(str(tmp_path / "one"), num_shards=3)
    prepcore.convert(tmp_path / "splits", out=tmp_path / "from-splits", tokenizer=folder / "tokenizer")
    prepcore.convert(tmp_path / "one", out=tmp_path / "from-one")
    for name, documents in splits.items():
        assert documents_of(tmp_path / "from-splits", name) == documents
    assert documents_of(tmp_path / "from-one") == splits["train"]
    prepcore.convert(folder, out=tmp_path / "rows", format="parquet")
    loaded = datasets.load_dataset(str(tmp_path / "rows"), cache_dir=str(tmp_path / "cache"))
    for name in splits:
        wanted = prepcore.Tokens(folder).rows(split=name)[:].tolist()
        assert [list(row) for row in loaded[name]["input_ids"]] == wanted


def test_a_saved_dataset_as_its_files_lie(folder: Path, tmp_path: Path) -> None:
    """The layout of `save_to_disk` without the library: Arrow streams that ``state.json`` names."""
    documents = documents_of(folder)
    names = ["data-00000-of-00002.arrow", "data-00001-of-00002.arrow"]
    for name, part in zip(names, (documents[:30], documents[30:]), strict=True):
        table = pyarrow.table({"input_ids": pyarrow.array(part, pyarrow.list_(pyarrow.int32()))})
        with pyarrow.ipc.new_stream(tmp_path / name, table.schema) as writer:
            writer.write_table(table)
    (tmp_path / "state.json").write_text(json.dumps({"_data_files": [{"filename": name} for name in names]}))
    prepcore.convert(tmp_path, out=tmp_path / "out")
    assert documents_of(tmp_path / "out") == documents


def test_mistakes_are_sentences_and_leave_nothing(
    folder: Path, tmp_path: Path, prepcore_command: Run
) -> None:
    bare = strip_ours(folder, tmp_path / "bare")
    out = tmp_path / "out"

    def refused(source: Path, *options: object) -> str:
        done = prepcore_command("convert", source, "--out", out, *options, check=2)
        assert not out.exists()
        assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []
        return done.stderr

    assert "there is no such file or folder" in refused(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "holds no token files" in refused(tmp_path / "empty")
    assert "is a token folder already" in refused(folder)
    assert "--tokenizer has no effect" in refused(
        folder, "--tokenizer", folder / "tokenizer", "--format", "parquet"
    )
    index = bare / "tokens-00000.ds.index"
    whole = index.read_bytes()
    index.write_bytes(whole[:-8])
    assert "wanted 2 or 4" in refused(bare)
    index.unlink()
    assert "has no tokens-00000.ds.index beside it" in refused(bare)
    prepcore.convert(folder, out=tmp_path / "megatron", format="megatron")
    binary, header = tmp_path / "megatron/train.bin", tmp_path / "megatron/train.idx"
    stated, ids = header.read_bytes(), binary.read_bytes()
    for damaged, said in (
        (b"MMIDIDY" + stated[7:], "wanted b'MMIDIDX"),
        (stated[:-1], "bytes, wanted version 1 and"),
        (stated[:17] + b"\x07" + stated[18:], "states ids of type 7"),
    ):
        header.write_bytes(damaged)
        assert said in refused(header)
    header.write_bytes(stated)
    binary.write_bytes(ids[:-2])
    assert "does not state" in refused(header)
    binary.write_bytes(ids)
    pl.DataFrame({"input_ids": [[5, 400], [1, 2]]}).write_parquet(tmp_path / "rows.parquet")
    said = refused(tmp_path / "rows.parquet", "--tokenizer", folder / "tokenizer")
    assert "row 0 of rows.parquet has the id 400, wanted less than 300" in said
    out.mkdir()
    (out / "mine").write_text("precious")
    done = prepcore_command("convert", header, "--out", out, check=2)
    assert "is not empty" in done.stderr
