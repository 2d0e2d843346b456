"""What must hold of every cleaned folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl

from tests.conftest import Run


def unreadable(out: Path) -> list[dict[str, Any]]:
    """The lines of ``unreadable.jsonl``."""
    return [json.loads(line) for line in (out / "unreadable.jsonl").read_text().splitlines()]


def check_sums(out: Path) -> dict[str, Any]:
    """Hold every sum of a folder to its promise and return the counts."""
    manifest = json.loads((out / "manifest.json").read_text())
    counts: dict[str, Any] = manifest["counts"]
    assert counts["documents"] == counts["kept"] + sum(counts["dropped"].values()) + counts["unreadable"]
    assert counts["unreadable"] == sum(line["rows"] for line in unreadable(out))
    assert counts["documents"] == sum(entry["rows"] for entry in manifest["inputs"])
    return counts


def token_folder(run: Run, root: Path, texts: list[str], length: int) -> Path:
    """Train a small tokenizer on texts and pack them with it, a fifth of them held out."""
    raw, tokenizer, out = root / "raw.parquet", root / "tokenizer", root / "tokens"
    pl.DataFrame({"text": texts}).write_parquet(raw)
    run("tokenizer", raw, "--vocabulary-size", 300, "--out", tokenizer)
    options = ("--sequence-length", length, "--validation", "20%", "--quiet")
    run("pack", raw, "--tokenizer", tokenizer, "--out", out, *options)
    return out
