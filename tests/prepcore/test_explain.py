"""`prepcore explain`: one document's fate, and what each check measures in it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from tests.prepcore.seen import HOSTILE, NAME, clean, json_of, kept_text, prepcore, rows_of, write

pytest.importorskip("prepcore._core", reason="the Rust extension is not built")


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("explain") / "raw")


@pytest.fixture(scope="module")
def out(raw: Path) -> Path:
    return clean(raw, raw.parent / "out")


def test_every_row_has_the_fate_that_the_counts_state(raw: Path, out: Path) -> None:
    from prepcore.arguments import UsageError
    from prepcore.report.explain import explained_row
    from prepcore.report.folder import CleanedFolder

    folder = CleanedFolder.open(str(out))
    fates: Counter[str] = Counter()
    for file, row, line in rows_of(raw):
        if not line:
            with pytest.raises(UsageError, match="is empty, and so is no document"):
                explained_row(folder, file, row)
            continue
        explained = explained_row(folder, file, row)
        assert explained["agree"], explained
        assert explained["text"] == json.loads(line)["text"]
        reason = explained["ledger"].get("reason")
        fates[reason or explained["fate"]] += 1
    counts = folder.counts
    wanted = {**counts["dropped"], "kept": counts["kept"], "unreadable": counts["unreadable"]}
    assert fates == {name: count for name, count in wanted.items() if count}
    assert {"few_lines", "short_lines", "repeated_paragraphs", "duplicate", "kept", "unreadable"} == set(
        fates
    )


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (0, "row 0: kept, it is row 0 of "),
        (11, "dropped, few_lines: measured 1, and kept is at least 3"),
        (12, "dropped, short_lines: measured 1, and kept is at least 3"),
        (13, "dropped, repeated_paragraphs: measured 0.75, and kept is at most 0.3"),
        (14, f"dropped, duplicate: the same text stands in {NAME} row 10, which came first"),
        (15, 'unreadable, the member "text" is null'),
    ],
)
def test_a_fate_is_said_with_value_and_threshold(out: Path, row: int, said: str) -> None:
    done = prepcore("explain", out, "--file", NAME, "--row", row)
    assert said in done.stdout
    assert done.stderr == ""
    if row == 13:
        table = [line.split() for line in done.stdout.splitlines()]
        assert ["short_lines", "few_lines", "7", "at", "least", "3", "pass"] in table
        assert ["repetition", "repeated_paragraphs", "0.75", "at", "most", "0.3", "fail"] in table


def test_a_file_is_named_as_the_manifest_does_or_by_its_path(raw: Path, out: Path) -> None:
    for name in ("deep/more.jsonl.gz", "more.jsonl.gz", raw / "deep" / "more.jsonl.gz"):
        explained = json_of("explain", out, "--file", name, "--row", 4)
        assert explained["ledger"]["twin_row"] == 0
        assert (explained["file"], explained["fate"]) == ("deep/more.jsonl.gz", "dropped")
    done = prepcore("explain", out, "--file", "mare.jsonl.gz", "--row", 4, code=2)
    assert "the input had no file 'mare.jsonl.gz'" in done.stderr
    assert "hint: " in done.stderr


def test_rows_that_are_none_are_refused(out: Path) -> None:
    done = prepcore("explain", out, "--file", NAME, "--row", 200, code=2)
    assert "has no row 200" in done.stderr
    done = prepcore("explain", out, "--file", NAME, "--row", 6, code=2)
    assert "is empty, and so is no document" in done.stderr


def test_what_lies_beyond_the_limit_was_not_read(raw: Path, tmp_path: Path) -> None:
    out = clean(raw, tmp_path / "out", "--limit", 50)
    done = prepcore("explain", out, "--file", NAME, "--row", 100)
    assert "row 100: not read, it lies beyond --limit 50" in done.stdout
    assert json_of("explain", out, "--file", NAME, "--row", 10)["fate"] == "kept"


@pytest.mark.parametrize("kind", ["parquet", "zst", "text"])
def test_every_kind_of_input_is_read_back(raw: Path, tmp_path: Path, kind: str) -> None:
    texts = [kept_text(n) if n % 3 else f"short {n}" for n in range(1000)]
    source = tmp_path / "in"
    source.mkdir()
    if kind == "parquet":
        pl.DataFrame({"id": range(1000), "text": texts}).write_parquet(
            source / "a.parquet", row_group_size=130
        )
    elif kind == "zst":
        pl.DataFrame({"text": texts}).write_ndjson(source / "a.jsonl.zst", compression="zstd")
    else:
        for number, text in enumerate(texts[:20]):
            (source / f"{number:03}.txt").write_text(text)
    out = clean(source, tmp_path / "out")
    for number in (0, 1, 19) if kind == "text" else (0, 1, 129, 130, 777, 999):
        file, row = (f"{number:03}.txt", 0) if kind == "text" else (next(source.iterdir()).name, number)
        explained = json_of("explain", out, "--file", file, "--row", row)
        assert explained["text"] == texts[number]
        assert explained["fate"] == ("kept" if number % 3 else "dropped")


def test_an_input_that_moved_changed_or_went(raw: Path, tmp_path: Path) -> None:
    source = Path(shutil.copytree(raw, tmp_path / "raw"))
    out = clean(source, tmp_path / "out")
    moved = source.rename(tmp_path / "moved")
    words = ("explain", out, "--file", NAME, "--row", 13)
    assert "this file of the input is not there any more" in prepcore(*words, code=2).stderr
    assert "repeated_paragraphs" in prepcore(*words, "--input-root", moved).stdout
    content = (moved / NAME).read_text()
    (moved / NAME).write_text(content.replace("document 10", "document 99", 1))
    assert "its fingerprint is" in prepcore(*words, "--input-root", moved, code=2).stderr
    (moved / NAME).write_text(content + "\n")
    assert (
        "this file of the input has changed: it has" in prepcore(*words, "--input-root", moved, code=2).stderr
    )


def test_any_text_is_judged_by_the_folders_settings(out: Path) -> None:
    done = prepcore("explain", out, "--text", "-", given="one\ntwo")
    assert "this text: dropped, few_lines: measured 2, and kept is at least 3" in done.stdout
    assert json_of("explain", out, "--text", kept_text(1))["fate"] == "kept"
    command = [sys.executable, "-m", "prepcore", "explain", str(out), "--text", "-"]
    refused = subprocess.run(command, input=b"caf\xe9", capture_output=True, check=False, timeout=60)
    assert refused.returncode == 2
    assert b"standard input is not UTF-8 (byte 3)" in refused.stderr


def test_what_rewriting_changes_is_shown(raw: Path, tmp_path: Path) -> None:
    out = clean(raw, tmp_path / "out", "--rules.redact", "on")
    text = "write to\nsomebody@mail.example.org\nfor more of this text"
    done = prepcore("explain", out, "--text", text)
    assert "redact.email" in done.stdout
    assert "-somebody@mail.example.org" in done.stdout
    assert json_of("explain", out, "--text", text)["examined"]["rewritten"] == {"redact.email": 1}


def test_hostile_documents_do_not_steer_the_terminal(out: Path) -> None:
    done = prepcore("explain", out, "--text", HOSTILE)
    assert not {"\x1b", "\x07", "\u202e"} & set(done.stdout + done.stderr)
    assert json_of("explain", out, "--text", HOSTILE)["text"] == HOSTILE


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["OUT"], "--file with --row, or --text, must be given"),
        (["OUT", "--file", "x"], "--row must be given with --file"),
        (["OUT", "--text", "x", "--row", "1"], "--row has no effect with --text"),
        (["OUT", "OUT", "--text", "x"], "2 folders were named"),
        (["nowhere", "--text", "x"], "nowhere: no such folder"),
    ],
)
def test_mistakes_are_refused(out: Path, words: list[str], said: str) -> None:
    done = prepcore("explain", *(str(out) if word == "OUT" else word for word in words), code=2)
    assert said in done.stderr
