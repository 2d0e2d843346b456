"""`--where`: a condition of the user's own, over files and frames."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import prepcore
from tests.conftest import Run
from tests.prepcore.folders import check_sums

TEXT = "a first line\na second line\na third line of "


def rows(count: int = 400) -> list[dict[str, Any]]:
    return [
        {"text": "short" if row % 9 == 4 else TEXT + str(row % 300), "year": 2000 + row % 30, "site": site}
        for row in range(count)
        for site in [None if row % 5 == 0 else "b.org" if row % 2 else "a.org"]
    ]


CONDITION = "year >= 2010 AND site LIKE 'a%'"


def meets(row: dict[str, Any]) -> bool:
    return row["year"] >= 2010 and (row["site"] or "").startswith("a")


def expected(documents: list[dict[str, Any]]) -> list[str]:
    """What stays: long, meeting the condition, and the first of its kind."""
    seen: dict[str, None] = {}
    for row in documents:
        if "\n" in row["text"] and meets(row):
            seen.setdefault(row["text"])
    return list(seen)


@pytest.mark.parametrize("name", ["raw.parquet", "raw.jsonl"])
def test_files_keep_what_meets_the_condition(name: str, tmp_path: Path, prepcore_command: Run) -> None:
    documents = rows()
    raw = tmp_path / name
    if raw.suffix == ".parquet":
        pl.DataFrame(documents).write_parquet(raw)
    else:
        raw.write_text("".join(json.dumps(row) + "\n" for row in documents))
    done = prepcore_command(
        "clean", raw, "--out", tmp_path / "out", "--format", "parquet", "--where", CONDITION
    )
    assert done.returncode == 0, done.stderr
    kept = pl.read_parquet(tmp_path / "out" / "part-*.parquet")
    assert kept["text"].to_list() == expected(documents)
    counts = check_sums(tmp_path / "out")
    assert counts["dropped"]["where"] == sum("\n" in row["text"] and not meets(row) for row in documents)
    dropped = pl.read_parquet(tmp_path / "out" / "dropped" / "*.parquet").filter(reason="where")
    assert dropped["row"].to_list() == [
        number for number, row in enumerate(documents) if "\n" in row["text"] and not meets(row)
    ]
    assert dropped["value"].null_count() == dropped["threshold"].null_count() == len(dropped)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["configuration"]["where"] == CONDITION


def test_lines_of_jsonl_are_copied_as_they_are(tmp_path: Path, prepcore_command: Run) -> None:
    documents = rows(50)
    lines = [json.dumps(row, separators=(" , ", " : ")) for row in documents]
    raw = tmp_path / "raw.jsonl"
    raw.write_text("\n".join(lines))
    done = prepcore_command(
        "clean", raw, "--out", tmp_path / "out", "--format", "jsonl", "--where", CONDITION
    )
    assert done.returncode == 0, done.stderr
    kept = (tmp_path / "out" / "part-00000.jsonl").read_text().splitlines()
    assert [json.loads(line)["text"] for line in kept] == expected(documents)
    assert set(kept) <= set(lines)


def test_frames_take_sql_and_expressions() -> None:
    documents = rows()
    frame = pl.DataFrame(documents)
    expression = (pl.col("year") >= 2010) & pl.col("site").str.starts_with("a")
    for where in (CONDITION, expression):
        eager = prepcore.clean(frame, where=where)
        assert eager.frame["text"].to_list() == expected(documents)
        assert eager.summary["dropped"]["where"] > 0
        lazy = prepcore.clean(frame.lazy(), where=where)
        assert lazy.frame.collect().equals(eager.frame)
    assert prepcore.clean(frame, where=pl.lit(value=True)).summary["dropped"]["where"] == 0


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("year >", "is no SQL condition"),
        ("nothing > 3", 'unable to find column "nothing"'),
        ("year", "the condition gives Int64, expected true or false"),
        ("year > avg(year)", "looks at several rows at once"),
        ("length(text) > 3 OR count(*) > 2", "looks at several rows at once"),
        ("site > 3", "cannot compare string with numeric"),
    ],
)
def test_a_condition_that_cannot_be_asked_exits_2_before_work(
    condition: str, said: str, tmp_path: Path, prepcore_command: Run
) -> None:
    raw = tmp_path / "raw.parquet"
    pl.DataFrame(rows(20)).write_parquet(raw)
    for more in ([], ["--dry-run"]):
        done = prepcore_command("clean", raw, "--out", tmp_path / "out", "--where", condition, *more, check=2)
        assert said in done.stderr
        assert "--where" in done.stderr
        assert not (tmp_path / "out").exists()
