"""`prepcore pack` to a token folder: rows, borders, splits, ledger, the same bytes at any width."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.conftest import Run
from tests.prepcore.test_clean import GOOD, digests


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """Documents of many lengths, an empty one, special-token look-alikes, and some twice."""
    odd = ["", " ", "</s>", "a </s> b <s> c", "\r\n\t", "naïve 中文 한국어 🦀🇩🇪", "x" * 5_000]
    return odd + [f"{GOOD} of {row % 350}\n" + "word " * (row % 40) for row in range(400)]


@pytest.fixture(scope="module")
def raw(texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("raw") / "raw.parquet"
    pl.DataFrame({"text": texts, "other": range(len(texts))}).write_parquet(path, row_group_size=64)
    return path


@pytest.fixture(scope="module")
def tokenizer(raw: Path, tmp_path_factory: pytest.TempPathFactory, prepcore_command: Run) -> Path:
    out = tmp_path_factory.mktemp("trained") / "tokenizer"
    prepcore_command("tokenizer", raw, "--vocabulary-size", 400, "--out", out, "--quiet")
    return out


def pack(run: Run, raw: Path, tokenizer: Path, out: Path, *options: object) -> dict[str, Any]:
    """Run the command and return the manifest that it prints."""
    done = run("pack", raw, "--tokenizer", tokenizer, "--out", out, *options, "--json", "--quiet")
    manifest: dict[str, Any] = json.loads(done.stdout)
    return manifest


def tokens_of(folder: Path, split: dict[str, Any], dtype: str = "uint16") -> list[list[int]]:
    """The documents of one side of the split, from the token files alone."""
    documents: list[list[int]] = []
    for file in split["files"]:
        ids = np.fromfile(folder / file["path"], dtype=np.dtype(dtype).newbyteorder("<"))
        ends = np.fromfile(folder / f"{file['path']}.index", dtype="<u8")
        assert (len(ids), len(ends)) == (file["tokens"], file["documents"])
        documents += [part.tolist() for part in np.split(ids, ends[:-1].astype(np.int64))]
    return documents


def reference(tokenizer: Path, special_as_text: bool = True) -> Any:
    """The Python `tokenizers` library with the same policy for special tokens."""
    from tokenizers import Tokenizer

    path = tokenizer if tokenizer.is_file() else tokenizer / "tokenizer.json"
    library = Tokenizer.from_file(str(path))
    library.encode_special_tokens = special_as_text
    return library


def test_tokens_ends_and_rows(
    raw: Path, texts: list[str], tokenizer: Path, tmp_path: Path, prepcore_command: Run
) -> None:
    out = tmp_path / "out"
    manifest = pack(prepcore_command, raw, tokenizer, out, "--sequence-length", 32)
    assert manifest == json.loads((out / "manifest.json").read_text())
    library = reference(tokenizer)
    wanted = [[0, *library.encode(text, add_special_tokens=False).ids, 1] for text in texts]
    documents = tokens_of(out, manifest)
    assert documents == wanted
    total = sum(map(len, wanted))
    assert manifest["tokens"] == total == manifest["rows"] * 32 + manifest["left_over"]["tail"]
    assert manifest["left_over"]["tail"] < 32
    assert manifest["bytes"] == sum(len(text.encode()) for text in texts)
    assert manifest["special"] == {
        "bos": {"id": 0, "token": "<s>", "from": "tokenizer_config.json"},
        "eos": {"id": 1, "token": "</s>", "from": "tokenizer_config.json"},
    }
    name, count, _words = (out / "tokens-00000.ds.metadata").read_text().split("\n")
    assert (name, int(count)) == ("tokenizer/tokenizer.json|2", total)
    copied = sorted(path.name for path in (out / "tokenizer").iterdir())
    assert copied == ["tokenizer.json", "tokenizer_config.json"]


def test_the_same_bytes_at_any_number_of_threads(
    raw: Path, tokenizer: Path, tmp_path: Path, prepcore_command: Run
) -> None:
    for layout in ("tokens", "parquet"):
        seen = []
        for threads in (1, 2, 7):
            out = tmp_path / f"{layout}-{threads}"
            options = ("--format", layout, "--validation", "10%", "--sequence-length", 64)
            pack(prepcore_command, raw, tokenizer, out, *options, "--threads", threads)
            seen.append(digests(out))
        assert seen[0] == seen[1] == seen[2]


def test_parquet_holds_the_same_rows(
    raw: Path, tokenizer: Path, tmp_path: Path, prepcore_command: Run
) -> None:
    options = ("--sequence-length", 100)
    folder = pack(prepcore_command, raw, tokenizer, tmp_path / "tokens", *options)
    table = pack(prepcore_command, raw, tokenizer, tmp_path / "parquet", *options, "--format", "parquet")
    flat = [token for document in tokens_of(tmp_path / "tokens", folder) for token in document]
    rows = [row.to_list() for row in pl.read_parquet(tmp_path / "parquet/part-00000.parquet")["input_ids"]]
    assert rows == [flat[start : start + 100] for start in range(0, len(flat) - 99, 100)]
    for key in ("documents", "tokens", "rows", "left_over"):
        assert folder[key] == table[key]
    assert table["files"][0]["rows"] == table["rows"] == len(rows)


def test_held_out_texts_are_never_trained_on(
    raw: Path, texts: list[str], tokenizer: Path, tmp_path: Path, prepcore_command: Run
) -> None:
    out = tmp_path / "out"
    manifest = pack(prepcore_command, raw, tokenizer, out, "--validation", 0.2)
    sources = pl.read_parquet(out / "sources.parquet")
    sides = {
        split: [texts[row] for row in sources.filter(pl.col("split") == split)["row"]]
        for split in ("train", "validation")
    }
    assert sides["train"]
    assert sides["validation"]
    assert not set(sides["train"]) & set(sides["validation"])
    assert sources["source"].unique().to_list() == ["raw.parquet"]
    library = reference(tokenizer)
    for split, record in (("train", manifest), ("validation", manifest["validation"])):
        numbers = sources.filter(pl.col("split") == split)["document"].to_list()
        assert numbers == list(range(record["documents"]))
        wanted = [[0, *library.encode(text, add_special_tokens=False).ids, 1] for text in sides[split]]
        assert tokens_of(out, record) == wanted
    assert manifest["counts"]["documents"] == len(texts)


def test_special_text_is_text_unless_parsed(tokenizer: Path, tmp_path: Path, prepcore_command: Run) -> None:
    text = "x</s>y <s> </s>"
    raw = tmp_path / "raw.jsonl"
    raw.write_text(json.dumps({"text": text}) + "\n")
    for policy, special_as_text in (("text", True), ("parse", False)):
        out = tmp_path / policy
        manifest = pack(prepcore_command, raw, tokenizer, out, "--special-tokens", policy)
        [document] = tokens_of(out, manifest)
        library = reference(tokenizer, special_as_text)
        assert document == [0, *library.encode(text, add_special_tokens=False).ids, 1]
        assert (document.count(1) == 1) == special_as_text
        assert manifest["special_tokens"] == policy


def test_the_screen_says_which_encoder_ran_and_why(
    raw: Path, tokenizer: Path, tmp_path: Path, prepcore_command: Run
) -> None:
    # NFKC changes the text as no fast encoder does.
    other = json.loads((tokenizer / "tokenizer.json").read_text())
    other["normalizer"] = {"type": "NFKC"}
    (tmp_path / "other.json").write_text(json.dumps(other))
    options = ("--bos", "none", "--eos", "none")
    out = tmp_path / "out"
    done = prepcore_command("pack", raw, "--tokenizer", tmp_path / "other.json", "--out", out, *options)
    encoder = json.loads((out / "manifest.json").read_text())["encoder"]
    assert encoder["name"] == "reference"
    assert "no fast encoder runs: " in encoder["proof"]
    assert f"encoder: reference ({encoder['proof']})" in done.stdout


@pytest.mark.parametrize(
    ("bos", "eos", "wanted"),
    [("none", "none", (None, None)), ("</s>", "0", (1, 0)), ("auto", "none", (0, None))],
)
def test_bos_and_eos_can_be_chosen(
    bos: str,
    eos: str,
    wanted: tuple[int | None, int | None],
    raw: Path,
    tokenizer: Path,
    tmp_path: Path,
    prepcore_command: Run,
) -> None:
    out = tmp_path / "out"
    special = pack(prepcore_command, raw, tokenizer, out, "--bos", bos, "--eos", eos, "--limit", 3)["special"]
    assert tuple(special[side] and special[side]["id"] for side in ("bos", "eos")) == wanted


def test_a_cleaned_folder_is_traced_to_the_raw_file(
    raw: Path, texts: list[str], tokenizer: Path, tmp_path: Path, prepcore_command: Run
) -> None:
    cleaned, out = tmp_path / "cleaned", tmp_path / "out"
    prepcore_command("clean", raw, "--out", cleaned, "--quiet")
    prepcore_command("pack", cleaned, "--tokenizer", tokenizer, "--out", out, "--quiet")
    sources = pl.read_parquet(out / "sources.parquet")
    kept = pl.read_parquet(cleaned / "part-00000.parquet")["text"].to_list()
    assert sources["source"].unique().to_list() == ["raw.parquet"]
    assert [texts[row] for row in sources["row"]] == kept


def test_unreadable_rows_are_counted(tokenizer: Path, tmp_path: Path, prepcore_command: Run) -> None:
    raw, out = tmp_path / "raw.jsonl", tmp_path / "out"
    raw.write_text('{"text": "good"}\n{"text": null}\n{"text": "good too"}\n')
    done = prepcore_command("pack", raw, "--tokenizer", tokenizer, "--out", out, "--json", check=3)
    manifest = json.loads(done.stdout)
    assert manifest["counts"] == {"documents": 3, "training": 2, "validation": 0, "unreadable": 1}
    [line] = (out / "unreadable.jsonl").read_text().splitlines()
    assert json.loads(line)["row"] == 1


def test_empty_input_gives_an_empty_folder(tokenizer: Path, tmp_path: Path, prepcore_command: Run) -> None:
    raw, out = tmp_path / "raw.parquet", tmp_path / "out"
    pl.DataFrame({"text": []}, schema={"text": pl.String}).write_parquet(raw)
    options = ("--validation", "1%", "--json")
    done = prepcore_command("pack", raw, "--tokenizer", tokenizer, "--out", out, *options)
    manifest = json.loads(done.stdout)
    assert (manifest["rows"], manifest["files"], manifest["validation"]["files"]) == (0, [], [])
    assert "no rows" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--sequence-length", "1"], "sequence-length"),
        (["--validation", "1"], "--validation"),
        (["--bos", "<none-such>"], "--bos: got"),
        (["--eos", "99999"], "the tokenizer's special tokens are"),
        (["--text-column", "body"], "--text-column: no column"),
    ],
)
def test_settings_that_cannot_be_used(
    arguments: list[str], said: str, raw: Path, tokenizer: Path, tmp_path: Path, prepcore_command: Run
) -> None:
    out = tmp_path / "out"
    done = prepcore_command("pack", raw, "--tokenizer", tokenizer, "--out", out, *arguments, check=2)
    assert said in done.stderr
    assert not out.exists()


def test_tokenizers_that_cannot_be_used(raw: Path, tmp_path: Path, prepcore_command: Run) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "tokenizer.model").write_bytes(b"\0")
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.json").write_text("not JSON")
    (tmp_path / "kind.json").write_text('{"model": {"type": "Tiktoken"}}')
    for name, said in (
        ("missing", "no such file or folder, expected a tokenizer.json"),
        ("empty", "the folder has no tokenizer.json"),
        ("bare", "without its tokenizer.json"),
        ("text.json", "not JSON"),
        ("kind.json", 'a model of type "Tiktoken"'),
    ):
        for dry in ([], ["--dry-run"]):
            out = tmp_path / "out"
            done = prepcore_command("pack", raw, "--tokenizer", tmp_path / name, "--out", out, *dry, check=2)
            assert said in done.stderr
            assert not out.exists()
