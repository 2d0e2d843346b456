"""What bad input gets: a clear error, or a count; nothing is lost in silence."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import polars as pl
import pytest

from tests.conftest import Run

GOOD = "a first line\\na second line\\na third line"


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.parquet"
    pl.DataFrame({"text": [GOOD.replace("\\n", "\n")], "n": [1]}).write_parquet(path)
    return path


def refused(done: object, *wanted: str) -> None:
    message = done.stderr  # type: ignore[attr-defined]
    assert "Traceback" not in message
    for words in wanted:
        assert words in message, message


def test_inputs_that_are_not_there(tmp_path: Path, good: Path, prepcore_command: Run) -> None:
    out = ["--out", tmp_path / "out"]
    refused(prepcore_command("clean", tmp_path / "none.parquet", *out, check=2), "none.parquet: no such file")
    refused(prepcore_command("clean", tmp_path / "*.nothing", *out, check=2), "no files were found")
    (tmp_path / "empty").mkdir()
    refused(prepcore_command("clean", tmp_path / "empty", *out, check=2), "no files were found")
    refused(prepcore_command("clean", good, tmp_path / "./good.parquet", *out, check=2), "named twice")
    assert not (tmp_path / "out").exists()


def test_the_text_column(tmp_path: Path, good: Path, prepcore_command: Run) -> None:
    out = ["--out", tmp_path / "out"]
    missing = prepcore_command("clean", good, *out, "--text-column", "body", check=2)
    refused(missing, "no column", "body", "text (", "n (")
    refused(prepcore_command("clean", good, *out, "--text-column", "n", check=2), "Int64, expected strings")
    other = tmp_path / "other.parquet"
    pl.DataFrame({"text": ["x"], "n": ["1"]}).write_parquet(other)
    differing = prepcore_command("clean", good, other, *out, check=2)
    refused(differing, "other.parquet", "good.parquet", '"n"', "--columns")
    done = prepcore_command("clean", good, other, *out, "--columns", "text", "--json", "--quiet")
    assert json.loads(done.stdout)["counts"]["documents"] == 2


def test_columns_that_are_not_there_or_there_twice(tmp_path: Path, good: Path, prepcore_command: Run) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    out = ["--out", tmp_path / "out"]
    refused(
        prepcore_command("clean", good, *out, "--columns", "text,urll", check=2), "--columns", "urll", "n"
    )
    refused(prepcore_command("clean", good, *out, "--dedup-key", "column:urll", "--dry-run", check=2), "urll")
    twice = pa.table([pa.array(["x"]), pa.array([1]), pa.array([2])], names=["text", "n", "n"])
    pq.write_table(twice, tmp_path / "twice.parquet")
    refused(
        prepcore_command("clean", tmp_path / "twice.parquet", *out, check=2), "two columns are named", "n"
    )


def test_files_that_differ_in_nulls_and_layouts_alone_go_together(
    tmp_path: Path, prepcore_command: Run
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    text = GOOD.replace("\\n", "\n")
    required = pa.schema(
        [pa.field("text", pa.string(), nullable=False), pa.field("n", pa.int64(), nullable=False)]
    )
    optional = pa.schema([pa.field("text", pa.large_string()), pa.field("n", pa.int64())])
    pq.write_table(pa.table({"text": [text], "n": [1]}, schema=required), tmp_path / "a.parquet")
    pq.write_table(pa.table({"text": [text + "!"], "n": [None]}, schema=optional), tmp_path / "b.parquet")
    prepcore_command("clean", tmp_path / "*.parquet", "--out", tmp_path / "out")
    assert pl.read_parquet(tmp_path / "out/part-00000.parquet")["n"].to_list() == [1, None]


def test_files_of_several_kinds(tmp_path: Path, good: Path, prepcore_command: Run) -> None:
    (tmp_path / "more.jsonl").write_text('{"text":"x"}\n')
    both = prepcore_command("clean", good, tmp_path / "more.jsonl", "--out", tmp_path / "out", check=2)
    refused(both, "is JSONL", "is Parquet")


def test_damaged_parquet(tmp_path: Path, good: Path, prepcore_command: Run) -> None:
    bad = tmp_path / "bad.parquet"
    bad.write_bytes(b"nothing of the kind")
    refused(prepcore_command("clean", bad, "--out", tmp_path / "1", check=1), "bad.parquet", "not a Parquet")
    bad.write_bytes(good.read_bytes()[:-10])
    refused(prepcore_command("clean", bad, "--out", tmp_path / "2", check=1), "bad.parquet", "footer")
    pl.DataFrame({"text": [f"{n} " * 500 for n in range(5000)]}).write_parquet(bad)
    content = bytearray(bad.read_bytes())
    content[1000:9000] = bytes(8000)
    bad.write_bytes(content)
    refused(prepcore_command("clean", bad, "--out", tmp_path / "3", check=1), "bad.parquet", "row group 0")
    assert not (tmp_path / "3").exists()


def test_bad_lines_are_counted_one_by_one(tmp_path: Path, prepcore_command: Run) -> None:
    good_line = f'{{"text":"{GOOD} %d"}}'
    bad = [
        b'{"text":"\xff\xfe"}',
        b'{"text":"lone \\ud800"}',
        b'{"text":"truncated',
        b'{"text":"a"}{"text":"b"}',
        b'["no object"]',
        b'{"body":"no text"}',
        b'{"text":null}',
        b'{"text":7}',
        b'{"text":"a","x":NaN}',
    ]
    lines = [line for n, damaged in enumerate(bad) for line in ((good_line % n).encode(), damaged, b"")]
    path = tmp_path / "raw.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(lines))
    done = prepcore_command("clean", path, "--out", tmp_path / "out", "--json", check=3)
    counts = json.loads(done.stdout)["counts"]
    assert (counts["documents"], counts["kept"], counts["unreadable"]) == (18, 9, 9)
    refused(done, "--max-unreadable 0.10%", "unreadable.jsonl")
    records = [json.loads(line) for line in (tmp_path / "out/unreadable.jsonl").read_text().splitlines()]
    content = path.read_bytes()
    for record, damaged in zip(records, bad, strict=True):
        assert record["file"] == "raw.jsonl"
        assert content[record["offset"] :].startswith(damaged)
        assert content.split(b"\n")[record["row"]].rstrip(b"\r") == damaged
    assert "is null" in records[6]["error"]


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_truncated_compression_keeps_what_was_readable(
    tmp_path: Path, prepcore_command: Run, suffix: str
) -> None:
    import pyarrow as pa

    lines = [f'{{"text":"{GOOD} {n} {hash(n * 7919)}"}}\n' for n in range(20_000)]
    content = "".join(lines).encode()
    whole = gzip.compress(content) if suffix == "gz" else pa.compress(content, codec="zstd", asbytes=True)
    path = tmp_path / f"raw.jsonl.{suffix}"
    path.write_bytes(whole[: len(whole) * 2 // 3])
    done = prepcore_command("clean", path, "--out", tmp_path / "out", "--json", check=None)
    counts = json.loads(done.stdout)["counts"]
    assert counts["unreadable"] == 1
    assert 1000 < counts["kept"] < 19_000
    (line,) = (tmp_path / "out/unreadable.jsonl").read_text().splitlines()
    record = json.loads(line)
    assert record["offset"] >= sum(map(len, lines[: counts["documents"] - 1]))
    assert "cannot be read on from here" in record["error"]


def test_odd_data_is_data(tmp_path: Path, prepcore_command: Run) -> None:
    lines = [
        '{"text":"nul \\u0000\\nis a\\ncharacter"}',
        '{"text":"first","text":"the last\\nof duplicate\\nmembers"}',
        '{"text":"line\u2028separators\\nare no\\nline ends"}',
        '{"text":""}',
    ]
    (tmp_path / "raw.jsonl").write_text("\n".join(lines), encoding="utf-8")
    out = tmp_path / "out"
    command = ["clean", tmp_path / "raw.jsonl", "--out", out, "--format", "parquet", "--json", "--quiet"]
    counts = json.loads(prepcore_command(*command).stdout)["counts"]
    assert (counts["kept"], counts["dropped"]["few_lines"], counts["unreadable"]) == (3, 1, 0)
    assert pl.read_parquet(out / "part-00000.parquet")["text"][1].startswith("the last")


def test_null_texts_are_counted(tmp_path: Path, prepcore_command: Run) -> None:
    frame = pl.DataFrame({"text": [None, GOOD.replace("\\n", "\n"), None], "n": [1, 2, 3]})
    frame.write_parquet(tmp_path / "raw.parquet")
    done = prepcore_command("clean", tmp_path / "raw.parquet", "--out", tmp_path / "out", check=3)
    refused(done, "2 of 3 rows could not be read")
    assert pl.read_parquet(tmp_path / "out/part-00000.parquet")["n"].to_list() == [2]


def test_a_document_beyond_the_memory_budget_is_counted(tmp_path: Path, prepcore_command: Run) -> None:
    with (tmp_path / "raw.jsonl").open("w") as file:
        file.write('{"text":"' + "x" * (9 << 20) + '"}\n' + f'{{"text":"{GOOD}"}}\n')
    command = ["clean", tmp_path / "raw.jsonl", "--out", tmp_path / "out", "--memory", "64MiB", "--json"]
    counts = json.loads(prepcore_command(*command, check=3).stdout)["counts"]
    assert (counts["kept"], counts["unreadable"]) == (1, 1)
    assert "the memory budget allows 8388608" in (tmp_path / "out/unreadable.jsonl").read_text()


@pytest.mark.parametrize("name", ["empty.jsonl", "empty.parquet", "empty.txt"])
def test_an_input_without_rows(tmp_path: Path, prepcore_command: Run, name: str) -> None:
    path = tmp_path / name
    path.touch()
    if name.endswith("parquet"):
        pl.DataFrame(schema={"text": pl.String, "n": pl.Int64}).write_parquet(path)
    done = prepcore_command("clean", path, "--out", tmp_path / "out", "--format", "parquet")
    if name == "empty.txt":  # an empty text is a document
        assert json.loads((tmp_path / "out/manifest.json").read_text())["counts"]["dropped"]["few_lines"] == 1
    else:
        refused(done, "the input has no rows")
    assert pl.read_parquet(tmp_path / "out/part-00000.parquet").height == 0


def test_output_folders(tmp_path: Path, good: Path, prepcore_command: Run) -> None:
    used = tmp_path / "used"
    used.mkdir()
    (used / "other.txt").write_text("mine")
    refused(prepcore_command("clean", good, "--out", used, check=2), "is not empty")
    assert (used / "other.txt").read_text() == "mine"
    folder = tmp_path / "in"
    folder.mkdir()
    good.rename(folder / "good.parquet")
    refused(prepcore_command("clean", folder, "--out", folder / "out", check=2), "inside the input")
    file = tmp_path / "file"
    file.touch()
    refused(prepcore_command("clean", folder, "--out", file, check=2), "file")


def test_a_dry_run_writes_nothing(tmp_path: Path, good: Path, prepcore_command: Run) -> None:
    out = tmp_path / "out"
    done = prepcore_command("clean", good, "--out", out, "--dry-run", "--json")
    planned = json.loads(done.stdout)
    assert (planned["kind"], planned["files"], planned["parts"]) == ("Parquet", 1, 1)
    assert not out.exists()
