"""Statistics of token folders: in the manifest, on the screen, counted again by another."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import prepcore
from tests.conftest import Run
from tests.prepcore.test_pack import tokens_of

SOURCES = {"a.jsonl": 70, "b.jsonl": 40, "c.jsonl": 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, prepcore_command: Run) -> Path:
    root = tmp_path_factory.mktemp("statistics")
    for name, count in SOURCES.items():
        lines = [
            json.dumps({"text": f"{name} has {row}\n" + "many words " * (row**2 % 97)})
            for row in range(count)
        ]
        (root / name).write_text("\n".join(lines))
    inputs = [root / name for name in SOURCES]
    prepcore_command("tokenizer", *inputs, "--vocabulary-size", 300, "--out", root / "tokenizer", "--quiet")
    options = ("--sequence-length", 64, "--validation", "30%", "--quiet")
    prepcore_command("pack", *inputs, "--tokenizer", root / "tokenizer", "--out", root / "tokens", *options)
    return root / "tokens"


def counted(folder: Path, split: str, manifest: dict[str, Any]) -> dict[str, Any]:
    """The same numbers, by numpy and Python."""
    record = manifest if split == "train" else manifest["validation"]
    documents = tokens_of(folder, record)
    ids = Counter(token for document in documents for token in document)
    lengths = sorted(map(len, documents))
    sources = pl.read_parquet(folder / "sources.parquet").filter(pl.col("split") == split)
    by_source: Counter[str] = Counter()
    for document, source in sources.select("document", "source").iter_rows():
        by_source[source] += len(documents[document])
    return {
        "tokens": ids.total(),
        "documents": len(documents),
        "tokens_per_byte": ids.total() / record["bytes"],
        "distinct_tokens": len(ids),
        "top": sorted(ids.items(), key=lambda item: (-item[1], item[0]))[:20],
        "mean": float(np.mean(lengths)),
        "quantiles": {
            str(share): lengths[-(-len(lengths) * share // 100) - 1] for share in (1, 10, 25, 50, 75, 90, 99)
        },
        "sources": sorted(by_source.items(), key=lambda item: (-item[1], item[0])),
    }


@pytest.mark.parametrize("split", ["train", "validation"])
def test_the_manifest_has_them_as_a_slow_count_finds_them(folder: Path, split: str) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    found = manifest["statistics"][split]
    wanted = counted(folder, split, manifest)
    for key in ("tokens", "documents", "distinct_tokens"):
        assert found[key] == wanted[key]
    assert found["tokens_per_byte"] == pytest.approx(wanted["tokens_per_byte"])
    assert [(top["id"], top["count"]) for top in found["top_tokens"]] == wanted["top"]
    assert found["document_lengths"]["mean"] == pytest.approx(wanted["mean"])
    assert found["document_lengths"]["quantiles"] == wanted["quantiles"]
    assert [(entry["source"], entry["tokens"]) for entry in found["sources"]] == wanted["sources"]
    assert sum(bar["documents"] for bar in found["document_lengths"]["histogram"]) == found["documents"]
    # A byte-level vocabulary lacks nothing.
    assert (found["unknown_tokens"], found["byte_fallback_tokens"]) == (None, None)


def test_a_folder_without_them_is_counted(folder: Path) -> None:
    path = folder / "manifest.json"
    stated = path.read_text()
    manifest = json.loads(stated)
    statistics = manifest.pop("statistics")
    try:
        path.write_text(json.dumps(manifest))
        assert prepcore.Tokens(folder).statistics == statistics
    finally:
        path.write_text(stated)
    assert prepcore.Tokens(folder).statistics == statistics


def test_the_report_of_a_token_folder(folder: Path, prepcore_command: Run) -> None:
    shown = prepcore_command("report", folder).stdout
    for text in ("tokens a byte", "documents by length", "a.jsonl", "tokens that occur most", "none such"):
        assert text in shown
    printed = json.loads(prepcore_command("report", folder, "--json").stdout)
    assert printed["statistics"] == prepcore.Tokens(folder).statistics
    assert printed["splits"]["train"]["tokens"] == printed["statistics"]["train"]["tokens"]
    for arguments, said in (
        (("--html", "x.html"), "--html has no effect on a token folder"),
        ((folder,), "2 folders were named"),
    ):
        assert said in prepcore_command("report", folder, *arguments, check=2).stderr


def test_bytes_and_unknowns_are_told(shared: Path, tmp_path: Path, prepcore_command: Run) -> None:
    texts = ["a\nb", "\U00013000 old", "plain"]
    (tmp_path / "raw.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in texts))
    tokenizer = shared / "data/tokenizers/mistral-v1"
    done = prepcore_command(
        "pack", tmp_path / "raw.jsonl", "--tokenizer", tokenizer, "--out", tmp_path / "out"
    )
    found = prepcore.Tokens(tmp_path / "out").statistics["train"]
    # The line feed, and four bytes of the hieroglyph.
    assert (found["unknown_tokens"], found["byte_fallback_tokens"]) == (0, 5)
    assert "byte-fallback" in done.stdout
    assert "tokens a document: median" in done.stdout


def test_rows_in_parquet_have_none(folder: Path, tmp_path: Path, prepcore_command: Run) -> None:
    raw, tokenizer = folder.parent / "a.jsonl", folder.parent / "tokenizer"
    options = ("--out", tmp_path / "out", "--format", "parquet", "--json", "--quiet")
    done = prepcore_command("pack", raw, "--tokenizer", tokenizer, *options)
    assert json.loads(done.stdout)["statistics"] is None
