"""A blinded sheet for people: written, filled in as spreadsheets do, and read back."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from prepcore.arguments import UsageError
from tests.trainer.test_cli import here, trainer
from tests.trainer.test_judge import PROMPTS, models, words  # noqa: F401
from trainer.judge.judgments import Pair
from trainer.judge.sheet import COLUMNS, Key, key_path, no_formula, read_sheet, write_sheet

PAIRS = [
    Pair("=1+1", "@good", 'short, "quoted"'),
    Pair("Two\nlines", "-a\r\nb", "+b; c"),
    *(Pair(f"prompt {number}", f"good {number}", "bad") for number in range(40)),
]


def written(folder: Path, seed: int = 0) -> tuple[Path, list[dict[str, str]]]:
    path = folder / "sheet.csv"
    write_sheet(path, PAIRS, {"a": "x", "b": "y"}, {"prompt_file": {}}, seed=seed)
    return path, list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))


def fill_in(path: Path, verdict: Callable[[dict[str, str]], str], **style: object) -> Path:
    """Write a sheet as another program would."""
    rows = list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))
    encoding = str(style.pop("encoding", "utf-8"))
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, **style)  # type: ignore[arg-type]  # a mapping has one type of values
    writer.writeheader()
    writer.writerows({**row, "verdict": verdict(row)} for row in rows)
    path.write_bytes(text.getvalue().encode(encoding, errors="replace"))
    return path


def good(row: dict[str, str]) -> str:
    """Prefer A's answer, by what only the test knows."""
    return "1" if "good" in row["answer 1"] else "2" if "good" in row["answer 2"] else "tie"


def test_a_sheet_tells_nothing_and_computes_nothing(tmp_path: Path) -> None:
    path, rows = written(tmp_path)
    assert list(rows[0]) == list(COLUMNS)
    assert [row["id"] for row in rows] == [str(number) for number in range(1, 43)]
    assert sorted(row["prompt"] for row in rows) != [row["prompt"] for row in rows]
    left = sum("good" in row["answer 1"] for row in rows)
    assert 10 < left < 32  # either side
    for row in rows:
        assert not row["prompt"].startswith(("=", "+", "-", "@"))
        assert not row["answer 1"].startswith(("=", "+", "-", "@"))
    assert {row["prompt"] for row in rows} >= {"'=1+1", "Two\nlines"}
    assert "'-a\r\nb" in {row["answer 1"] for row in rows} | {row["answer 2"] for row in rows}
    key = json.loads(key_path(path).read_text())
    assert key["names"] == {"a": "x", "b": "y"}
    again, other = tmp_path / "again", tmp_path / "other"
    assert written(again)[0].read_bytes() == path.read_bytes()
    assert written(other, seed=1)[0].read_bytes() != path.read_bytes()


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@a", "\t=1", "\r=1", " =1", "\n=1"])
def test_formulas_become_text(text: str) -> None:
    assert no_formula(text) == f"'{text}"
    assert no_formula(f"a{text}") == f"a{text}"


@pytest.mark.parametrize(
    "style",
    [
        {},
        {"encoding": "utf-8-sig"},
        {"delimiter": ";", "encoding": "cp1252"},
        {"delimiter": "\t", "encoding": "utf-16"},
        {"lineterminator": "\n", "quoting": csv.QUOTE_ALL},
    ],
)
def test_a_sheet_comes_back_from_any_program(tmp_path: Path, style: dict[str, object]) -> None:
    path, _ = written(tmp_path)
    fill_in(path, good, **style)
    compared, empty = read_sheet(path, Key.read(key_path(path)))
    assert empty == 0
    assert sorted(one.winner or "" for one in compared) == ["a"] * 41 + ["tie"]
    assert sorted(one.lengths for one in compared)[-1] == (7, 3)


def test_a_part_is_fine_and_spellings_of_people_are(tmp_path: Path) -> None:
    path, _ = written(tmp_path)
    words_ = {"1": " 1.0", "2": "2.0 ", "tie": "TIE"}
    fill_in(path, lambda row: words_[good(row)] if int(row["id"]) <= 10 else " ")
    compared, empty = read_sheet(path, Key.read(key_path(path)))
    assert (len(compared), empty) == (10, 32)
    # Rows that somebody has deleted are empty ones.
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], *lines[-3:]]))
    assert read_sheet(path, Key.read(key_path(path))) == ([], 42)


def test_wrong_values_name_the_row(tmp_path: Path) -> None:
    path, _ = written(tmp_path)
    key = Key.read(key_path(path))
    fill_in(path, lambda row: "left" if row["id"] == "7" else "")
    with pytest.raises(UsageError, match=r"row with id '7': verdict is 'left', wanted 1, 2, tie or nothing"):
        read_sheet(path, key)
    path.write_text("id,verdict\n3,1\n99,2\n")
    with pytest.raises(UsageError, match="row with id '99': the key has no such row"):
        read_sheet(path, key)
    path.write_text("id,verdict\n3,1\n3,2\n")
    with pytest.raises(UsageError, match="row with id '3' stands twice"):
        read_sheet(path, key)
    path.write_text("number,verdict\n3,1\n")
    with pytest.raises(UsageError, match="has no columns id and verdict"):
        read_sheet(path, key)
    with pytest.raises(UsageError, match="cannot be read"):
        read_sheet(tmp_path / "none.csv", key)
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(UsageError, match="is no key of a sheet"):
        Key.read(tmp_path / "a.json")


def test_the_command_writes_a_sheet_and_reads_it_back(
    models: Path,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sheet = tmp_path / "people" / "sheet.csv"
    assert here(*words(models, tmp_path / "out", "--human", str(sheet))) == 0
    said = capsys.readouterr().out
    assert "6 rows; fill in the last column" in said
    assert "the key, which those who judge must not see" in said
    assert "old" not in sheet.read_text()
    assert here(*words(models, tmp_path / "out", "--human", str(sheet))) == 2  # nobody's work is overwritten
    assert "is there already" in capsys.readouterr().err
    away = sheet.rename(tmp_path / "sent.csv")
    assert (
        here(*words(models, tmp_path / "out", "--human", str(sheet))) == 2
    )  # nor is the key of one that was sent
    assert "sheet.key.json is there already" in capsys.readouterr().err
    away.rename(sheet)
    assert here("judge", "--human-read", str(sheet)) == 2
    assert "has no verdict yet" in capsys.readouterr().err

    fill_in(sheet, lambda row: "" if row["id"] == "3" else "1")
    result = trainer("judge", "--human-read", sheet)
    assert result.returncode == 0, result.stderr
    print(result.stdout)
    assert "people, sheet.csv compares A with B on 5 prompts" in result.stdout
    assert "rows without a verdict, which do not count: 1" in result.stdout
    assert "the first answer was preferred in 5 of 5 judgments" in result.stdout
    key = json.loads(key_path(sheet).read_text())
    wins = sum(row["order"] == "ab" for name, row in key["rows"].items() if name != "3")
    found = json.loads((sheet.parent / "sheet.result.json").read_text())
    assert (found["wins_a"], found["wins_b"], found["prompts"]) == (wins, 5 - wins, 5)
    assert found["a"]["checkpoint"] == "old"

    # Whoever judged sent a copy back under another name.
    copy = sheet.rename(tmp_path / "from ann.csv")
    assert here("judge", "--human-read", str(copy)) == 2
    assert "--human-key names it" in capsys.readouterr().err
    assert here("judge", "--human-read", str(copy), "--human-key", str(key_path(sheet)), "--json") == 0
    assert json.loads(capsys.readouterr().out)["wins_a"] == wins


def test_sheet_and_judge_share_the_answers(
    models: Path,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    assert here(*words(models, out, "--human", str(tmp_path / "s.csv"))) == 0
    capsys.readouterr()
    assert here(*words(models, out, "--judge", str(models / "judge"))) == 0
    assert "answers" not in capsys.readouterr().err
    rows = csv.DictReader(io.StringIO((tmp_path / "s.csv").read_bytes().decode("utf-8-sig"), newline=""))
    assert {row["prompt"] for row in rows} == set(PROMPTS)
