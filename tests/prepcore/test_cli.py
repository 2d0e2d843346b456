"""The commands as they are typed: exit code, streams, files."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("prepcore._core", reason="the Rust extension is not built")

KEPT = "a first line\na second line\na third line"
TEXTS = [
    KEPT,
    "one line",
    "a\nb\nc\nd",
    "\n\n".join(["the same again"] * 5),
    KEPT,
    "another first line\nanother second line\nanother third line",
]


def prepcore(*words: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "prepcore", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, timeout=120)


def write_jsonl(path: Path, texts: list[Any]) -> Path:
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    return path


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return write_jsonl(tmp_path / "raw.jsonl", TEXTS)


def test_clean_says_what_became_of_every_document(raw: Path, tmp_path: Path) -> None:
    done = prepcore("clean", raw, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[1][:3] == ["read", "6", "100.0%"]
    assert ["dropped:", "few_lines", "1", "16.7%"] in lines
    assert ["dropped:", "short_lines", "1", "16.7%"] in lines
    assert ["dropped:", "repeated_paragraphs", "1", "16.7%"] in lines
    assert ["dropped:", "duplicate", "1", "16.7%"] in lines
    assert any(line[:3] == ["kept", "2", "33.3%"] for line in lines)
    assert str(tmp_path / "out") in done.stdout
    assert done.stderr == ""
    assert (tmp_path / "out" / "manifest.json").is_file()


def test_json_is_one_document_on_standard_output(raw: Path, tmp_path: Path) -> None:
    done = prepcore("clean", raw, "--out", tmp_path / "out", "--json", "--quiet")
    manifest = json.loads(done.stdout)
    assert manifest == json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["counts"]["documents"] == 6
    assert done.stderr == ""


def test_quiet_says_nothing(raw: Path, tmp_path: Path) -> None:
    done = prepcore("clean", raw, "--out", tmp_path / "out", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_dry_run_writes_nothing(raw: Path, tmp_path: Path) -> None:
    done = prepcore("clean", raw, "--out", tmp_path / "out", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "nothing was written" in done.stdout
    assert not (tmp_path / "out").exists()


def test_thresholds_reach_the_engine(raw: Path, tmp_path: Path) -> None:
    done = prepcore(
        "clean", raw, "--out", tmp_path / "out", "--rules.short-lines", "off", "--rules.repetition", "off",
        "--dedup", "off", "--json", "--quiet",
    )  # fmt: skip
    assert json.loads(done.stdout)["counts"]["kept"] == 6


def test_a_configuration_file_is_printed_and_read_back(raw: Path, tmp_path: Path) -> None:
    words = ["clean", raw, "--out", "x", "--rules.repetition", "off", "--max-unreadable", "1%"]
    printed = prepcore(*words, "--print-config")
    (tmp_path / "config.yaml").write_text(printed.stdout)
    again = prepcore("clean", "--config", tmp_path / "config.yaml", "--print-config")
    assert again.stdout == printed.stdout
    assert "repetition: 'off'" in printed.stdout
    assert "max-unreadable: 0.01" in printed.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["clean"], "INPUT…, --out must be given"),
        (
            ["clean", "RAW", "--out", "OUT", "--thread", "2"],
            "--thread is not known\nhint: did you mean --threads?",
        ),
        (["clean", "RAW", "--out", "OUT", "--threads", "many"], "--threads: 'many' is not a whole number"),
        (
            ["clean", "RAW", "--out", "OUT", "--compression-level", "23"],
            "23 is not a whole number from 1 to 22",
        ),
        (["clean", "RAW", "--out", "OUT", "--max-unreadable", "200%"], "'200%' is not a share from 0 to 1"),
        (
            ["clean", "RAW", "--out", "OUT", "--memory", "1 potato"],
            "'1 potato' is not a size, such as 512MiB",
        ),
        (["clean", "RAW", "--out", "OUT", "--profile", "best"], "'best' is not one of basic, course"),
        (
            ["clean", "RAW", "--out", "OUT", "--dedup-key", "column:"],
            "'column:' is not one of exact, whitespace",
        ),
        (["clean", "missing.parquet", "--out", "OUT"], "missing.parquet"),
        (["clean", "RAW", "RAW", "--out", "OUT"], "raw.jsonl"),
        (["pack", "RAW", "--out", "OUT"], "--tokenizer must be given"),
        (["pack", "RAW", "--out", "OUT", "--tokenizer", "nowhere.json"], "nowhere.json"),
        (["tokenizer", "RAW", "--out", "OUT"], "--vocabulary-size must be given"),
        (["cleen", "RAW"], "'cleen' is not a command\nhint: did you mean prepcore clean?"),
    ],
)
def test_mistakes_exit_2_with_one_plain_message(
    raw: Path, tmp_path: Path, words: list[str], message: str
) -> None:
    places = {"RAW": str(raw), "OUT": str(tmp_path / "out")}
    done = prepcore(*(places.get(word, word) for word in words), cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.startswith("prepcore: error: ")
    assert len(done.stderr.splitlines()) <= 3
    assert done.stdout == ""
    assert not (tmp_path / "out").exists()


def test_a_folder_with_files_in_it_is_refused(raw: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    done = prepcore("clean", raw, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert str(tmp_path / "out") in done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_an_input_without_rows_gives_an_output_without_rows_and_a_warning(tmp_path: Path) -> None:
    done = prepcore("clean", write_jsonl(tmp_path / "empty.jsonl", []), "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "warning: the input has no rows" in done.stderr
    assert (tmp_path / "out" / "manifest.json").is_file()


def test_more_unreadable_rows_than_allowed_exit_3(tmp_path: Path) -> None:
    raw = write_jsonl(tmp_path / "raw.jsonl", [*TEXTS, None])
    done = prepcore("clean", raw, "--out", tmp_path / "out")
    assert done.returncode == 3
    assert "1 of 7 rows could not be read (14.29%), more than --max-unreadable 0.10%" in done.stderr
    assert "unreadable.jsonl" in done.stderr
    done = prepcore("clean", raw, "--out", tmp_path / "again", "--max-unreadable", "20%")
    assert done.returncode == 0
    assert "warning: 1 of 7 rows could not be read" in done.stderr


def test_from_text_to_rows(tmp_path: Path) -> None:
    texts = [f"line one of {n}\nline two of {n}\nline three of {n * n}" for n in range(300)]
    raw = write_jsonl(tmp_path / "raw.jsonl", texts)
    done = prepcore("clean", raw, "--out", tmp_path / "cleaned")
    assert done.returncode == 0, done.stderr
    done = prepcore(
        "tokenizer", tmp_path / "cleaned", "--vocabulary-size", "300", "--out", tmp_path / "tokenizer"
    )
    assert done.returncode == 0, done.stderr
    assert "vocabulary of 300 entries" in done.stdout
    words = ["--tokenizer", tmp_path / "tokenizer", "--sequence-length", "16", "--validation", "20%"]
    done = prepcore("pack", tmp_path / "cleaned", *words, "--out", tmp_path / "tokens")
    assert done.returncode == 0, done.stderr
    assert "training" in done.stdout
    assert "validation" in done.stdout
    manifest = json.loads((tmp_path / "tokens" / "manifest.json").read_text())
    assert manifest["documents"] + manifest["validation"]["documents"] == 300


def test_cleaning_files_imports_neither_polars_nor_torch(raw: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from prepcore.cli import PROGRAM; code = PROGRAM.main(sys.argv[1:]);"
        "print(sorted({'polars', 'torch', 'rich', 'numpy', 'pyarrow'} & set(sys.modules))); sys.exit(code)"
    )
    words = ["clean", str(raw), "--out", str(tmp_path / "out"), "--quiet"]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.fixture(scope="module")
def endless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Gigabytes of documents in a small file: one gzip member, many times."""
    line = (
        json.dumps({"text": "\n".join(f"line {n} of a text that takes a while" for n in range(200))}) + "\n"
    )
    member = gzip.compress(line.encode() * 2_000)
    path = tmp_path_factory.mktemp("endless") / "endless.jsonl.gz"
    with path.open("wb") as file:
        for _ in range(1_000):
            file.write(member)
    return path


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_stop_a_run(endless: Path, tmp_path: Path, number: int, code: int) -> None:
    command = [sys.executable, "-m", "prepcore", "clean", str(endless), "--out", str(tmp_path / "out")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(1.5)
    assert process.poll() is None
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == code
    assert f"stopped by {signal.Signals(number).name}" in errors
    assert "Traceback" not in errors


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("option", [[], ["--dry-run"]])
def test_signals_stop_the_planning_of_very_many_files(tmp_path: Path, option: list[str]) -> None:
    import polars as pl

    folder = tmp_path / "in"
    folder.mkdir()
    # Links to one file in which only the columns take their time: 60,000 footers take many seconds.
    pl.DataFrame({"text": ["x"], **{f"column{n}": [n] for n in range(60)}}).write_parquet(tmp_path / "one")
    for number in range(60_000):
        (folder / str(number)).hardlink_to(tmp_path / "one")
    command = [
        sys.executable,
        "-m",
        "prepcore",
        "clean",
        str(folder),
        "--out",
        str(tmp_path / "out"),
        *option,
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(1)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 143
    assert "stopped by SIGTERM" in errors
    assert not (tmp_path / "out").exists()
