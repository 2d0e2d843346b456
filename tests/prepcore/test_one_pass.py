"""`prepcore clean --tokenizer`: raw text to a token folder, the files of cleaning and packing apart."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from tests.prepcore.running import (
    ANY,
    all_stamps,
    clean,
    digests,
    facts,
    finished,
    folder_of_parts,
    kill_and_go_on,
    kill_once_finished,
    manifest,
    run,
    stamps,
)

PARTS = 5
RULES = ("--rules.redact", "on", "--rules.length.min-words", 20)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An input of several parts, with duplicates and documents that are too short."""
    return folder_of_parts(tmp_path_factory.mktemp("parts") / "raw", PARTS, documents=30, size=30_000)


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory, parts: Path) -> tuple[object, ...]:
    """How documents are packed."""
    out = tmp_path_factory.mktemp("trained") / "tokenizer"
    run("tokenizer", parts, "--vocabulary-size", 600, "--out", out, "--quiet", *ANY)
    return ("--tokenizer", out, "--sequence-length", 512, "--validation", "10%", *ANY)


@pytest.fixture(scope="module")
def apart(
    tmp_path_factory: pytest.TempPathFactory, parts: Path, tokens: tuple[object, ...]
) -> tuple[Path, Path]:
    """The cleaned folder and the token folder of two passes."""
    folder = tmp_path_factory.mktemp("apart")
    clean(parts, *RULES, "--out", folder / "cleaned", *ANY)
    run("pack", folder / "cleaned", *tokens, "--out", folder / "tokens")
    assert len(manifest(folder / "tokens")["files"]) == PARTS
    assert manifest(folder / "tokens")["counts"]["validation"] > 3
    return folder / "cleaned", folder / "tokens"


def of_tokens(out: Path) -> dict[str, str]:
    """What does not tell how many passes there were."""
    files = digests(out)
    return {
        name: digest
        for name, digest in files.items()
        if not name.startswith("cleaning/") and name != "manifest.json"
    }


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_the_files_are_those_of_two_passes(
    tmp_path: Path, parts: Path, tokens: tuple[object, ...], apart: tuple[Path, Path], threads: int
) -> None:
    out = tmp_path / "out"
    done = clean(parts, *RULES, *tokens, "--out", out, "--threads", threads, "--json")
    assert of_tokens(out) == of_tokens(apart[1])
    packed, separate = manifest(out), manifest(apart[1])
    assert json.loads(done.stdout) == packed
    for key in ("counts", "tokens", "rows", "left_over", "files", "validation", "tokenizer", "special"):
        assert packed[key] == separate[key]
    assert packed["cleaning"] == "cleaning/manifest.json"
    ledger, cleaned = manifest(out / "cleaning"), manifest(apart[0])
    for key in ("inputs", "counts", "checks", "hash"):
        assert ledger[key] == cleaned[key]
    assert not list((out / "cleaning").glob("part-*"))
    for name in ("keys", "dropped"):
        assert digests(out / "cleaning" / name) == digests(apart[0] / name)


def test_the_text_can_be_kept(
    tmp_path: Path, parts: Path, tokens: tuple[object, ...], apart: tuple[Path, Path]
) -> None:
    out = tmp_path / "out"
    clean(parts, *RULES, *tokens, "--out", out, "--keep-text")
    assert digests(out / "cleaning") == digests(apart[0])
    assert of_tokens(out) == of_tokens(apart[1])


def test_a_killed_run_goes_on(
    tmp_path: Path, parts: Path, tokens: tuple[object, ...], apart: tuple[Path, Path]
) -> None:
    out = tmp_path / "out"
    arguments = (parts, *RULES, *tokens, "--threads", 2)
    kill_once_finished(2, out, *arguments)
    entries = finished(out)
    before = all_stamps(out)
    done = clean(parts, *RULES, *tokens, "--validation", "20%", "--out", out, exit_code=2)
    assert "validation was 0.1, now 0.2" in done.stderr
    assert all_stamps(out) == before
    before = {path: stamp for path, stamp in before.items() if path in _files(out, entries)}
    clean(*arguments, "--out", out)
    assert of_tokens(out) == of_tokens(apart[1])
    assert before
    assert {path: stamp for path, stamp in all_stamps(out).items() if path in before} == before
    assert facts(out)["parts"] == {"found_finished": len(entries), "written": PARTS - len(entries)}


def _files(out: Path, entries: list[dict[str, object]]) -> set[Path]:
    tokens = [{"tokens": entry["tokens"]} for entry in entries]
    ledger = [{"record": entry["record"]} for entry in entries]
    return {*stamps(out, tokens), *stamps(out / "cleaning", ledger)}


@pytest.mark.parametrize(
    "moments", [2, pytest.param(50, marks=pytest.mark.soak)], ids=lambda moments: f"{moments} kills"
)
@pytest.mark.parametrize("dedup", ["memory", "disk"])
def test_kills_at_any_moment_do_not_show(
    tmp_path: Path, parts: Path, tokens: tuple[object, ...], moments: int, dedup: str
) -> None:
    arguments = (parts, *RULES, *tokens, "--dedup", dedup, "--threads", 2)
    kill_and_go_on(arguments, tmp_path / "out", tmp_path / "whole", moments, seed=moments)


def test_what_became_of_documents_can_be_asked(tmp_path: Path, tokens: tuple[object, ...]) -> None:
    good = "a first line\nmail me at someone@example.com\nand a third line"
    texts = [f"{row} {good}" for row in range(20)] + ["short", f"3 {good}"]
    raw, out = tmp_path / "raw.jsonl", tmp_path / "out"
    raw.write_text("".join(json.dumps({"text": text, "n": n}) + "\n" for n, text in enumerate(texts)))
    done = clean(raw, "--rules.redact", "on", *tokens, "--out", out)
    assert "few_lines" in done.stdout
    assert "tokens/byte" in done.stdout
    assert "kept documents:" not in done.stdout
    assert (out / "cleaning/report.html").is_file()
    for folder in (out, out / "cleaning"):
        why = json.loads(run("explain", folder, "--file", "raw.jsonl", "--row", 21, "--json").stdout)
        assert why["fate"] == "dropped"
        assert "the same text stands in raw.jsonl row 3" in why["because"]
        why = json.loads(run("explain", folder, "--file", "raw.jsonl", "--row", 2, "--json").stdout)
        assert (why["fate"], why["because"]) == ("kept", "it was packed, and not written")
        assert "few_lines" in run("report", folder).stdout
        [dropped] = _sample(folder, "--reason", "few_lines")
        assert dropped["text"] == "short"
    drawn = _sample(out, "--kept", "--number", 5)
    assert len(drawn) == 5
    for entry in drawn:
        assert entry["text"].startswith(f"{entry['row']} a first line\nmail me at ")
        assert "someone@example.com" not in entry["text"]
    sources = pl.read_parquet(out / "sources.parquet")
    assert sorted(sources["row"]) == list(range(20))
    assert set(sources["source"]) == {"raw.jsonl"}


def _sample(folder: Path, *arguments: object) -> list[dict[str, object]]:
    return [json.loads(line) for line in run("sample", folder, *arguments, "--json").stdout.splitlines()]


def test_options_without_effect_are_refused(tmp_path: Path, parts: Path, tokens: tuple[object, ...]) -> None:
    for arguments, said in (
        (("--validation", "1%"), "--validation: has no effect without --tokenizer"),
        (("--keep-text",), "--keep-text: has no effect without --tokenizer"),
        ((*tokens, "--format", "jsonl"), "--format: has no effect without --keep-text"),
        ((*tokens, "--bos", "<none-such>"), "--bos: got"),
        (("--tokenizer", tmp_path / "missing"), "no such file or folder, expected a tokenizer.json"),
    ):
        for dry in ((), ("--dry-run",)):
            done = clean(parts, "--out", tmp_path / "out", *arguments, *dry, exit_code=2)
            assert said in done.stderr
            assert not (tmp_path / "out").exists()
