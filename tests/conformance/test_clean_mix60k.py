"""mix-60k through the command line: the golden counts and rows, from every format, at any width."""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path

import polars as pl
import pytest

import prepcore
from tests.conftest import Run
from tests.prepcore.running import digests


@pytest.fixture(scope="module")
def mix(shared: Path) -> Path:
    return shared / "data/corpus/mix-60k.parquet"


@pytest.fixture(scope="module")
def golden_rows(shared: Path, mix: Path) -> list[int]:
    """The rows that the referee beside the data keeps."""
    sys.path.insert(0, str(shared / "peers"))
    try:
        import oracle
    finally:
        sys.path.pop(0)
    texts = pl.read_parquet(mix, columns=["text"])["text"].to_list()
    return [row for row, reason in oracle.clean(texts) if reason is None]


@pytest.fixture(scope="module")
def as_jsonl(mix: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import gzip

    import pyarrow as pa

    folder = tmp_path_factory.mktemp("mix")
    pl.scan_parquet(mix).sink_ndjson(folder / "mix.jsonl")
    content = (folder / "mix.jsonl").read_bytes()
    (folder / "mix.jsonl.gz").write_bytes(gzip.compress(content, 1))
    (folder / "mix.jsonl.zst").write_bytes(pa.compress(content, codec="zstd", asbytes=True))
    return folder


def kept_rows(out: Path) -> list[int]:
    rows: list[int] = []
    for part in json.loads((out / "manifest.json").read_text())["parts"]:
        keys = (out / part["keys"]["path"]).read_bytes()[16:]
        rows += [row for _, _, _, row in struct.iter_unpack("<16sIB3xQ", keys)]
    return rows


def test_golden_counts_and_rows_at_any_number_of_threads(
    mix: Path, golden_rows: list[int], shared: Path, tmp_path: Path, prepcore_command: Run
) -> None:
    golden = json.loads((shared / "data/corpus/mix-60k.golden.json").read_text())
    print(golden)
    seen = []
    for threads in (1, 2, 7):
        out = tmp_path / f"out-{threads}"
        done = prepcore_command("clean", mix, "--out", out, "--threads", threads, "--json", "--quiet")
        counts = json.loads(done.stdout)["counts"]
        dropped = counts["dropped"]
        left = counts["documents"]
        road = [left]
        for reasons in (
            ("few_lines", "short_lines"),
            ("repeated_paragraphs", "repeated_chars"),
            ("duplicate",),
        ):
            left -= sum(dropped[reason] for reason in reasons)
            road.append(left)
        print(" → ".join(f"{count:,}" for count in road))
        assert road == [60_000, 46_384, 46_312, 40_698]
        assert kept_rows(out) == golden_rows
        seen.append(digests(out))
    assert seen[0] == seen[1] == seen[2]
    part = pl.read_parquet(sorted((tmp_path / "out-1").glob("part-*.parquet")))
    assert part.equals(pl.read_parquet(mix)[golden_rows])


def test_the_profile_of_the_course_keeps_what_its_own_program_keeps(
    mix: Path, shared: Path, tmp_path: Path, prepcore_command: Run
) -> None:
    golden = json.loads((shared / "data/corpus/mix-60k.golden.json").read_text())
    model = shared / "data/lid/lid.176.ftz"
    done = prepcore_command(
        *("clean", mix, "--out", tmp_path / "out", "--profile", "course", "--language-model", model),
        *("--json", "--quiet"),
    )
    counts = json.loads(done.stdout)["counts"]
    before = counts["documents"] - sum(
        count for reason, count in counts["dropped"].items() if not reason.startswith("language")
    )
    print(f"{counts['documents']:,} → {before:,} → {counts['kept']:,}")
    assert (before, counts["kept"]) == (40_698, golden["english_lid176ftz_0.4"]) == (40_698, 34_278)
    wanted = pl.read_parquet(shared / "data/corpus/mix-60k.kept.parquet")["row"].to_list()
    kept = pl.read_parquet(tmp_path / "out" / "part-*.parquet")
    assert kept.equals(pl.read_parquet(mix)[wanted])


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz", "jsonl.zst"])
def test_the_same_rows_from_lines(
    as_jsonl: Path, golden_rows: list[int], tmp_path: Path, prepcore_command: Run, suffix: str
) -> None:
    seen = []
    for threads in (1, 2, 7):
        out = tmp_path / f"out-{threads}"
        command = ["clean", as_jsonl / f"mix.{suffix}", "--out", out, "--threads", threads]
        prepcore_command(*command, "--format", "parquet", "--quiet")
        assert kept_rows(out) == golden_rows
        seen.append(digests(out))
    assert seen[0] == seen[1] == seen[2]


def test_the_same_rows_from_a_lazy_frame(mix: Path, golden_rows: list[int]) -> None:
    cleaned = prepcore.clean(pl.scan_parquet(mix).with_row_index("row"))
    assert cleaned.frame.select("row").collect()["row"].to_list() == golden_rows
    assert cleaned.frame.select(pl.len()).collect().item() == len(golden_rows)
    assert cleaned.summary["dropped"]["duplicate"] == 46_312 - 40_698
