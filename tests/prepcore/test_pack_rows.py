"""`prepcore pack` by best fit, in a drawn order, and over a token folder: what rows hold."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import prepcore
from tests.conftest import Run
from tests.prepcore.test_clean import GOOD, digests
from tests.prepcore.test_pack import pack, reference, tokens_of

PIECE = np.dtype([("document", "<u8"), ("offset", "<u8"), ("length", "<u4")])


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """Documents of many lengths, some longer than a row, an empty one."""
    return ["", "x " * 3_000, *(f"{GOOD} of {row}\n" + "word " * (row * 7 % 90) for row in range(400))]


@pytest.fixture(scope="module")
def raw(texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("raw") / "raw.parquet"
    pl.DataFrame({"text": texts}).write_parquet(path, row_group_size=64)
    return path


@pytest.fixture(scope="module")
def tokenizer(raw: Path, tmp_path_factory: pytest.TempPathFactory, prepcore_command: Run) -> Path:
    out = tmp_path_factory.mktemp("trained") / "tokenizer"
    prepcore_command("tokenizer", raw, "--vocabulary-size", 400, "--out", out, "--quiet")
    return out


def rows_of(folder: Path, split: dict[str, Any], length: int) -> list[list[tuple[int, int, int]]]:
    """The pieces of each row, from the row index alone."""
    [record] = [record for record in split["row_indexes"] if record["sequence_length"] == length]
    data = (folder / record["path"]).read_bytes()
    assert (data[:8], len(data)) == (b"PREPROWS", record["bytes"])
    rows, pieces = (int(number) for number in np.frombuffer(data, "<u8", 2, 8))
    starts = np.frombuffer(data, "<u8", rows + 1, 24)
    table = np.frombuffer(data, PIECE, pieces, 24 + 8 * (rows + 1))
    assert (rows, pieces, int(starts[0]), int(starts[-1])) == (record["rows"], record["pieces"], 0, pieces)
    return [table[start:end].tolist() for start, end in pairwise(starts.tolist())]


@pytest.mark.parametrize("order", ["input", "shuffled"])
def test_every_token_is_in_one_row_and_what_fits_is_whole(
    raw: Path, tokenizer: Path, tmp_path: Path, prepcore_command: Run, order: str
) -> None:
    out, length = tmp_path / "out", 256
    options = ("--sequence-length", length, "--packing", "best-fit", "--validation", "20%", "--order", order)
    manifest = pack(prepcore_command, raw, tokenizer, out, *options)
    assert manifest["packing"] == "best-fit"
    for split in (manifest, manifest["validation"]):
        documents = tokens_of(out, split)
        rows = rows_of(out, split, length)
        [record] = split["row_indexes"]
        tokens: Counter[int] = Counter()
        pieces: dict[int, list[tuple[int, int]]] = {}
        for row in rows:
            assert 0 < sum(size for *_, size in row) <= length
            for document, offset, size in row:
                tokens.update(documents[document][offset : offset + size])
                pieces.setdefault(document, []).append((offset, size))
        assert tokens == Counter(token for document in documents for token in document)
        for number, document in enumerate(documents):
            offsets = [0]
            for offset, size in sorted(pieces[number]):
                assert offset == offsets[-1]
                offsets.append(offset + size)
            assert offsets[-1] == len(document)
            assert len(pieces[number]) == -(-len(document) // length)
        cut = sum(len(document) > length for document in documents)
        assert (record["documents_cut"], record["rows"]) == (cut, split["rows"])
        assert split["padding"] == record["padding"] == len(rows) * length - split["tokens"]
        assert split["left_over"] == {"tail": 0}
    # A tenth of the rows would be much: documents of a third of a row or less fill gaps well.
    assert manifest["padding"] < 0.1 * manifest["rows"] * length


def test_the_same_bytes_at_any_number_of_threads(
    raw: Path, tokenizer: Path, tmp_path: Path, prepcore_command: Run
) -> None:
    options = ("--packing", "best-fit", "--order", "shuffled", "--seed", 3, "--sequence-length", 128)
    seen = []
    for threads in (1, 2, 7):
        out = tmp_path / str(threads)
        pack(prepcore_command, raw, tokenizer, out, *options, "--threads", threads)
        seen.append(digests(out))
    assert seen[0] == seen[1] == seen[2]


def test_shuffled_documents_are_the_same_and_their_sources_follow(
    raw: Path, texts: list[str], tokenizer: Path, tmp_path: Path, prepcore_command: Run
) -> None:
    library = reference(tokenizer)
    orders = []
    for seed in (0, 1):
        out = tmp_path / str(seed)
        options = ("--order", "shuffled", "--seed", seed, "--validation", "10%")
        manifest = pack(prepcore_command, raw, tokenizer, out, *options)
        sources = pl.read_parquet(out / "sources.parquet")
        for split, record in (("train", manifest), ("validation", manifest["validation"])):
            told = sources.filter(pl.col("split") == split)
            assert told["document"].to_list() == list(range(record["documents"]))
            wanted = [library.encode(texts[row], add_special_tokens=False).ids for row in told["row"]]
            assert tokens_of(out, record) == [[0, *ids, 1] for ids in wanted]
        assert sorted(sources["row"]) == list(range(len(texts)))
        orders.append(sources.filter(pl.col("split") == "train")["row"].to_list())
        held_out = sources.filter(pl.col("split") == "validation")["row"].to_list()
        assert held_out == sorted(held_out)
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1]) != orders[0]


def test_a_token_folder_is_packed_again(
    raw: Path, tokenizer: Path, tmp_path: Path, prepcore_command: Run
) -> None:
    first, other, fresh = tmp_path / "first", tmp_path / "other", tmp_path / "fresh"
    made = pack(prepcore_command, raw, tokenizer, first, "--validation", "10%")
    stamps = {path: path.stat().st_mtime_ns for path in first.rglob("*.ds*")}
    wanted = ("--sequence-length", 100, "--packing", "best-fit")
    afresh = pack(prepcore_command, raw, tokenizer, fresh, "--validation", "10%", *wanted)

    planned = prepcore_command("pack", first, *wanted, "--dry-run")
    assert "no token is made or written again" in planned.stdout
    again = json.loads(prepcore_command("pack", first, *wanted, "--out", other, "--json", "--quiet").stdout)
    assert again == afresh
    assert digests(other) == digests(fresh)
    for path in stamps:
        assert path.samefile(other / path.relative_to(first))
    done = prepcore_command("pack", first, *wanted, "--out", other)
    assert "is finished already" in done.stdout

    done = prepcore_command("pack", first, *wanted)
    assert "rows of 100 tokens, best-fit" in done.stdout
    assert "padding" in done.stdout
    assert json.loads((first / "manifest.json").read_text()) == afresh
    back = prepcore.repack(first, sequence_length=2048)
    for split in (back, back["validation"]):
        assert [record["sequence_length"] for record in split["row_indexes"]] == [100]
        split["row_indexes"] = []
    assert back == made
    assert {path: path.stat().st_mtime_ns for path in first.rglob("*.ds*")} == stamps


def test_what_cannot_be_done_is_refused_by_name(
    raw: Path, tokenizer: Path, tmp_path: Path, prepcore_command: Run
) -> None:
    tokens = tmp_path / "tokens"
    pack(prepcore_command, raw, tokenizer, tokens)
    before = digests(tokens)
    with_tokenizer = ("--tokenizer", tokenizer, "--out", tmp_path / "out")
    for arguments, said in (
        ((tokens, "--bos", "none"), '--bos: got "none", but the tokens of'),
        ((tokens, "--validation", "1%"), "--validation: got 0.01, but"),
        ((tokens, "--order", "shuffled"), "--order: got"),
        ((tokens, raw, *with_tokenizer), "a token folder among 2 inputs"),
        ((raw, "--tokenizer", tokenizer), "--out must be given"),
        ((raw,), "--tokenizer, --out must be given"),
        ((raw, *with_tokenizer, "--packing", "best-fit", "--format", "parquet"), "--packing: got best-fit"),
        ((raw, *with_tokenizer, "--order", "shuffled", "--format", "parquet"), "--order: got shuffled"),
    ):
        done = prepcore_command("pack", *arguments, check=2)
        assert said in done.stderr
        assert "hint:" in done.stderr
    assert digests(tokens) == before
    assert not (tmp_path / "out").exists()
    with pytest.raises(Exception, match="is not a token folder"):
        prepcore.repack(raw)
