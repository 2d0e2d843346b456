"""`prepcore tokenizer`: a byte-level BPE folder that transformers and `prepcore pack` both load."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from tests.conftest import Run
from tests.prepcore.running import digests
from tests.prepcore.test_pack import pack, tokens_of

TEXTS = [f"the cat number {row} sat on mat number {row * 7}, and that was that.\n" for row in range(2_000)]
ODD = ["", " ", "  two  spaces ", "\r\n\t\v", "naïve 中文 한국어 🦀🇩🇪", "\ufeff\u2028\x00\x04\x7f", "</s><s>"]


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("raw") / "raw.parquet"
    pl.DataFrame({"text": TEXTS + ODD}).write_parquet(path, row_group_size=300)
    return path


@pytest.fixture(scope="module")
def trained(raw: Path, tmp_path_factory: pytest.TempPathFactory, prepcore_command: Run) -> Path:
    out = tmp_path_factory.mktemp("trained") / "tokenizer"
    prepcore_command("tokenizer", raw, "--vocabulary-size", 500, "--out", out, "--quiet")
    return out


def test_transformers_loads_the_folder_and_gives_the_same_ids(
    raw: Path, trained: Path, tmp_path: Path, prepcore_command: Run
) -> None:
    transformers = pytest.importorskip("transformers")
    loaded = transformers.AutoTokenizer.from_pretrained(str(trained))
    assert len(loaded) == 500
    assert (loaded.bos_token_id, loaded.eos_token_id) == (0, 1)
    assert loaded("the cat").input_ids[0] == 0
    out = tmp_path / "out"
    manifest = pack(prepcore_command, raw, trained, out)
    assert manifest["tokenizer"]["vocabulary_size"] == 500
    documents = tokens_of(out, manifest)
    for text, document in zip(TEXTS + ODD, documents, strict=True):
        wanted = loaded.encode(text, add_special_tokens=False, split_special_tokens=True)
        assert document == [0, *wanted, 1]
        assert loaded.decode(document[1:-1], clean_up_tokenization_spaces=False) == text


def test_the_same_tokenizer_at_any_number_of_threads(
    raw: Path, tmp_path: Path, prepcore_command: Run
) -> None:
    seen = []
    for threads in (1, 2, 7):
        out = tmp_path / str(threads)
        command = ("tokenizer", raw, "--vocabulary-size", 400, "--sample", "40kB", "--threads", threads)
        prepcore_command(*command, "--out", out, "--quiet")
        seen.append(digests(out))
    assert seen[0] == seen[1] == seen[2]


def test_a_sample_is_drawn_over_the_whole_input(raw: Path, tmp_path: Path, prepcore_command: Run) -> None:
    out = tmp_path / "out"
    command = ("tokenizer", raw, "--vocabulary-size", 300, "--sample", "20kB", "--out", out)
    manifest = json.loads(prepcore_command(*command, "--json", "--quiet").stdout)
    assert 15_000 < manifest["text_bytes"] <= 20_000
    counts = manifest["counts"]
    assert counts["documents"] == len(TEXTS) + len(ODD) == counts["sampled"] + counts["left_out"]


def test_special_tokens_come_first_and_bos_needs_two(
    raw: Path, tmp_path: Path, prepcore_command: Run
) -> None:
    for names in (["<|endoftext|>"], ["<bos>", "<eos>", "<pad>"]):
        out = tmp_path / str(len(names))
        options = ("--vocabulary-size", 256 + len(names), "--special-tokens", ",".join(names))
        prepcore_command("tokenizer", raw, *options, "--out", out, "--quiet")
        vocabulary = json.loads((out / "tokenizer.json").read_text())["model"]["vocab"]
        assert sorted(vocabulary, key=vocabulary.__getitem__)[: len(names)] == names
        packed = tmp_path / f"packed-{len(names)}"
        special = pack(prepcore_command, raw, out, packed, "--limit", 1)["special"]
        assert special["eos"]["token"] == names[min(1, len(names) - 1)]
        assert (special["bos"] is None) == (len(names) == 1)


def test_a_vocabulary_too_small_and_a_used_folder(raw: Path, tmp_path: Path, prepcore_command: Run) -> None:
    done = prepcore_command("tokenizer", raw, "--vocabulary-size", 257, "--out", tmp_path / "out", check=2)
    assert "--vocabulary-size: got 257, expected 258 (256 bytes and 2 special tokens)" in done.stderr
    (tmp_path / "file").write_text("mine")
    done = prepcore_command("tokenizer", raw, "--vocabulary-size", 300, "--out", tmp_path, check=2)
    assert "not empty" in done.stderr


def test_limit_is_kept(tmp_path: Path, prepcore_command: Run) -> None:
    lines = [json.dumps({"text": f"document {number} of many"}) for number in range(1000)]
    (tmp_path / "raw.jsonl").write_text("\n".join(lines))
    command = ["tokenizer", tmp_path / "raw.jsonl", "--vocabulary-size", 300, "--out", tmp_path / "out"]
    done = prepcore_command(*command, "--limit", 10, "--json", "--quiet")
    assert json.loads(done.stdout)["inputs"][0]["rows"] == 10
