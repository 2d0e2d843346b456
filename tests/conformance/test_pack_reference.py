"""Packing against the Python `tokenizers` library and the oracle, with real tokenizers and real documents."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.conftest import Run
from tests.prepcore.test_pack import pack, reference, tokens_of

LENGTH = 2_048
# Tokenizer, what must be said by hand, and what stands around each document.
MISTRAL = ("mistral-v1", (), (1, 2))
GPT2 = ("gpt2", ("--eos", "<|endoftext|>"), (None, 50_256))
LLAMA2 = ("llama2", ("--eos", "</s>"), (1, 2))
LLAMA3 = ("llama3", (), (128_000, 128_001))
# All of them with all documents take four minutes on two cores; `make soak` runs the rest.
CASES = [
    pytest.param(5_000, *MISTRAL, id="mistral-v1"),
    pytest.param(5_000, *GPT2, id="gpt2"),
    pytest.param(1_000, *LLAMA2, id="llama2-sample"),
    pytest.param(1_000, *LLAMA3, id="llama3-sample"),
    pytest.param(5_000, *LLAMA2, id="llama2", marks=pytest.mark.soak),
    pytest.param(5_000, *LLAMA3, id="llama3", marks=pytest.mark.soak),
]


@pytest.fixture(scope="module")
def kept(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 5,000 documents that the referee keeps."""
    rows = pl.read_parquet(shared / "data/corpus/mix-60k.kept.parquet").to_series(0).head(5_000)
    texts = pl.read_parquet(shared / "data/corpus/mix-60k.parquet", columns=["text"])[rows.to_list()]
    path = tmp_path_factory.mktemp("kept") / "kept.parquet"
    texts.write_parquet(path, row_group_size=1_000)
    return path


def load_oracle(shared: Path) -> Any:
    sys.path.insert(0, str(shared / "peers"))
    try:
        import oracle
    finally:
        sys.path.pop(0)
    return oracle


@pytest.mark.parametrize(("documents", "name", "options", "special"), CASES)
def test_ids_rows_and_left_over(
    documents: int,
    name: str,
    options: tuple[str, ...],
    special: tuple[int | None, int],
    shared: Path,
    kept: Path,
    tmp_path: Path,
    prepcore_command: Run,
) -> None:
    tokenizer, out = shared / "data/tokenizers" / name, tmp_path / "out"
    options += ("--sequence-length", str(LENGTH), "--limit", str(documents))
    manifest = pack(prepcore_command, kept, tokenizer, out, *options)
    bos, eos = special
    resolved = manifest["special"]
    assert tuple(resolved[side] and resolved[side]["id"] for side in ("bos", "eos")) == special

    texts = pl.read_parquet(kept)["text"].head(documents).to_list()
    library = reference(tokenizer)
    ids = [encoding.ids for encoding in library.encode_batch_fast(texts, add_special_tokens=False)]
    packed = tokens_of(out, manifest, manifest["dtype"])
    lead = [] if bos is None else [bos]
    assert packed == [[*lead, *document, eos] for document in ids]

    # The oracle knows only documents with both tokens around them.
    flat = np.fromiter((token for document in packed for token in document), dtype=np.int64)
    if bos is None:
        rows, tail = flat[: len(flat) // LENGTH * LENGTH].reshape(-1, LENGTH).tolist(), len(flat) % LENGTH
    else:
        rows, tail = load_oracle(shared).pack(ids, bos, eos, LENGTH)
    assert flat[: len(flat) - tail].reshape(-1, LENGTH).tolist() == rows
    assert (manifest["rows"], manifest["left_over"]) == (len(rows), {"tail": tail})
    print(f"{name}: {len(ids):,} documents, {len(flat):,} tokens, {len(rows):,} rows, {tail} left over")


def test_the_thirty_known_ids(shared: Path, tmp_path: Path, prepcore_command: Run) -> None:
    known = (
        "1 415 15837 1366 3314 6064 5312 430 19102 304 1178 356 281 3928 28725 9735 28713 28725 264 1052 "
        "14455 4623 28725 9390 1452 274 28725 17268 28713 28725"
    )
    text = (
        "The Colorado Climate Center provides projections and data on drought, storms, avalanche risk, "
        "tornadoes, floods,"
    )
    raw, out = tmp_path / "raw.jsonl", tmp_path / "out"
    raw.write_text(json.dumps({"text": text}) + "\n")
    tokenizer = shared / "data/tokenizers/mistral-v1"
    [document] = tokens_of(out, pack(prepcore_command, raw, tokenizer, out))
    assert document == [*map(int, known.split()), 2]


@pytest.mark.parametrize("name", ["mistral-v1", "llama2", "gpt2", "llama3", "smollm2"])
def test_special_text_stays_text(name: str, shared: Path, tmp_path: Path, prepcore_command: Run) -> None:
    texts = ["</s>", "x </s>", "x</s>", "a <s> b", "a<|endoftext|>b", "<|end_of_text|>", "<|im_end|> x", ""]
    raw, out = tmp_path / "raw.jsonl", tmp_path / "out"
    raw.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    tokenizer = shared / "data/tokenizers" / name
    added = json.loads((tokenizer / "tokenizer.json").read_text())["added_tokens"]
    special = {token["id"] for token in added if token["special"]}
    for policy, as_text in (("text", True), ("parse", False)):
        options = ("--bos", "none", "--eos", "none", "--special-tokens", policy)
        manifest = pack(prepcore_command, raw, tokenizer, out / policy, *options)
        packed = tokens_of(out / policy, manifest, manifest["dtype"])
        library = reference(tokenizer, as_text)
        assert packed == [library.encode(text, add_special_tokens=False).ids for text in texts]
        assert any(special & set(document) for document in packed) != as_text


def test_a_text_that_the_library_gives_up_on_is_counted(
    shared: Path, tmp_path: Path, prepcore_command: Run
) -> None:
    raw, out = tmp_path / "raw.jsonl", tmp_path / "out"
    texts = ["first", " " * 12_000_000 + "end", "last"]
    raw.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    # The fast encoder does not give up, so an added token keeps it from being chosen.
    llama3, tokenizer = shared / "data/tokenizers/llama3", tmp_path / "tokenizer"
    tokenizer.mkdir()
    (tokenizer / "tokenizer_config.json").write_bytes((llama3 / "tokenizer_config.json").read_bytes())
    definition = json.loads((llama3 / "tokenizer.json").read_text(encoding="utf-8"))
    definition["added_tokens"][-1]["lstrip"] = True
    (tokenizer / "tokenizer.json").write_text(json.dumps(definition), encoding="utf-8")
    done = prepcore_command("pack", raw, "--tokenizer", tokenizer, "--out", out, "--quiet", check=3)
    assert "panicked" not in done.stderr
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["encoder"]["name"] == "reference"
    assert manifest["counts"] == {"documents": 3, "training": 2, "validation": 0, "unreadable": 1}
    [line] = map(json.loads, (out / "unreadable.jsonl").read_text().splitlines())
    assert (line["file"], line["row"]) == ("raw.jsonl", 1)
    assert "the tokenizer gave up on this text of 12000003 bytes" in line["error"]
    packed = pack(prepcore_command, raw, llama3, tmp_path / "fast")
    assert (packed["counts"]["training"], packed["unreadable"]) == (3, 0)


def test_tokenizers_take_a_megabyte_without_a_space(
    shared: Path, tmp_path: Path, prepcore_command: Run
) -> None:
    raw = tmp_path / "raw.jsonl"
    texts = [piece * (1_000_000 // len(piece)) for piece in ("a", "ab-", "中")]
    raw.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    for name in ("mistral-v1", "llama3"):
        tokenizer, out = shared / "data/tokenizers" / name, tmp_path / name
        manifest = pack(prepcore_command, raw, tokenizer, out)
        library = reference(tokenizer)
        packed = tokens_of(out, manifest, manifest["dtype"])
        assert [document[1:-1] for document in packed] == [
            library.encode(text, add_special_tokens=False).ids for text in texts
        ]
