"""Parquet files that are damaged: one row, one page, the footer; with and without ``--skip-corrupt``."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from tests.conftest import Run
from tests.prepcore.folders import check_sums, unreadable
from tests.prepcore.running import digests

ROWS = 6000
"""Rows of a file, in three row groups of four pages or so each."""


def texts() -> list[bytes]:
    return [f"document {number}\nsecond line {number * 7919}\nthird line".encode() for number in range(ROWS)]


def write(path: Path, rows: list[bytes]) -> None:
    """Write bytes as strings: pyarrow does not look at what it is given as a buffer."""
    binary = pa.array(rows, pa.large_binary())
    column = pa.LargeStringArray.from_buffers(len(rows), *binary.buffers()[1:])
    table = pa.table({"n": pa.array(range(len(rows))), "text": column})
    pages = {"use_dictionary": False, "data_page_size": 1 << 14, "write_batch_size": 100}
    pq.write_table(table, path, row_group_size=2000, **pages)


def damage_page(path: Path, group: int) -> None:
    """Overwrite bytes in the middle of a row group's text."""
    column = pq.ParquetFile(path).metadata.row_group(group).column(1)
    content = bytearray(path.read_bytes())
    middle = column.data_page_offset + column.total_compressed_size // 2
    content[middle : middle + 2000] = bytes(2000)
    path.write_bytes(content)


def test_a_text_that_is_not_utf8_is_counted_alone(tmp_path: Path, prepcore_command: Run) -> None:
    rows = texts()
    bad = {0: b"\xff", 1999: b"cut \xc3", 2000: b"\xa9 begins", 5999: b"sixteen bytes ok\xed\xa0\x80"}
    for row, text in bad.items():
        rows[row] = text
    write(tmp_path / "raw.parquet", rows)
    outputs = []
    for threads in (1, 2, 7):
        out = tmp_path / f"out{threads}"
        command = ["clean", tmp_path / "raw.parquet", "--out", out, "--threads", threads]
        prepcore_command(*command, "--keep-dropped", "--max-unreadable", "1%")
        counts = check_sums(out)
        assert (counts["documents"], counts["unreadable"]) == (ROWS, 4)
        outputs.append(digests(out))
    assert outputs[0] == outputs[1] == outputs[2]
    assert [(line["row"], line["rows"]) for line in unreadable(out)] == [(row, 1) for row in bad]
    offsets = [0, 4, 0, 16]
    wanted = [f"the text is not valid UTF-8 (byte {offset})" for offset in offsets]
    assert [line["error"] for line in unreadable(out)] == wanted
    kept = pl.read_parquet(out / "part-00000.parquet")["n"].to_list()
    assert kept == [number for number in range(ROWS) if number not in bad]


def test_other_strings_that_are_not_utf8_are_damage(tmp_path: Path, prepcore_command: Run) -> None:
    urls = pa.LargeStringArray.from_buffers(
        3, *pa.array([b"a", b"\xff", b"c"], pa.large_binary()).buffers()[1:]
    )
    table = pa.table({"text": [text.decode() for text in texts()[:3]], "url": urls})
    pq.write_table(table, tmp_path / "raw.parquet", row_group_size=1)
    command = ["clean", tmp_path / "raw.parquet", "--out"]
    done = prepcore_command(*command, tmp_path / "out", check=1)
    assert "raw.parquet: row group 1: " in done.stderr
    prepcore_command(*command, tmp_path / "skipped", "--skip-corrupt", "--max-unreadable", "1")
    assert check_sums(tmp_path / "skipped")["unreadable"] == 1
    prepcore_command(*command, tmp_path / "text", "--columns", "text")
    assert check_sums(tmp_path / "text")["kept"] == 3


def test_strings_that_are_undeclared_are_looked_at_too(tmp_path: Path, prepcore_command: Run) -> None:
    # The file says bytes; the Arrow schema embedded in it says strings.
    rows = [*texts()[:3], b"\xff\xfe", b"x" * 20 + b"\xc3"]
    write(tmp_path / "strings.parquet", rows)
    embedded = pq.ParquetFile(tmp_path / "strings.parquet").metadata.metadata[b"ARROW:schema"]
    table = pa.table({"n": pa.array(range(5)), "text": pa.array(rows, pa.large_binary())})
    with pq.ParquetWriter(tmp_path / "raw.parquet", table.schema, store_schema=False) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({"ARROW:schema": embedded})
    prepcore_command("clean", tmp_path / "raw.parquet", "--out", tmp_path / "out", "--max-unreadable", "1")
    assert (check_sums(tmp_path / "out")["kept"], unreadable(tmp_path / "out")[1]["row"]) == (3, 4)


def test_a_character_cut_by_two_values(tmp_path: Path, prepcore_command: Run) -> None:
    for encoding in ("DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"):
        path = tmp_path / f"{encoding}.parquet"
        rows = [*texts()[:3], b"the first half of a character: \xc3", b"\xa9 and the rest of it, a long text"]
        binary = pa.array(rows, pa.large_binary())
        column = pa.LargeStringArray.from_buffers(len(rows), *binary.buffers()[1:])
        encodings = {"text": encoding}
        pq.write_table(pa.table({"text": column}), path, use_dictionary=False, column_encoding=encodings)
        out = tmp_path / encoding
        prepcore_command("clean", path, "--out", out, "--max-unreadable", "1")
        assert check_sums(out)["kept"] == 3
        assert [line["row"] for line in unreadable(out)] == [3, 4]


def test_a_damaged_page(tmp_path: Path, prepcore_command: Run) -> None:
    path = tmp_path / "raw.parquet"
    write(path, texts())
    damage_page(path, 1)
    done = prepcore_command("clean", path, "--out", tmp_path / "none", check=1)
    assert "raw.parquet: row group 1: " in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "none/part-00000.parquet").exists()
    outputs = []
    for threads in (1, 4):
        out = tmp_path / f"out{threads}"
        command = ["clean", path, "--out", out, "--threads", threads, "--skip-corrupt"]
        done = prepcore_command(*command, check=3)
        assert "rows could not be read" in done.stderr
        counts = check_sums(out)
        assert counts["documents"] == ROWS
        outputs.append(digests(out))
    assert outputs[0] == outputs[1]
    (line,) = unreadable(out)
    assert 2000 < line["row"] < 4000
    assert line["row"] + line["rows"] == 4000
    assert line["error"].startswith("row group 1: ")
    kept = pl.read_parquet(out / "part-00000.parquet")["n"].to_list()
    assert kept == [*range(line["row"]), *range(4000, ROWS)]


def test_a_limit_within_what_was_lost(tmp_path: Path, prepcore_command: Run) -> None:
    path = tmp_path / "raw.parquet"
    write(path, texts())
    damage_page(path, 0)
    command = ["clean", path, "--out", tmp_path / "out", "--skip-corrupt", "--limit", 1900]
    prepcore_command(*command, check=3)
    assert check_sums(tmp_path / "out")["documents"] == 1900


def test_files_without_a_footer_count_as_a_row(tmp_path: Path, prepcore_command: Run) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    write(folder / "b.parquet", texts())
    whole = (folder / "b.parquet").read_bytes()
    (folder / "a.parquet").write_bytes(whole[:-10])
    (folder / "c.parquet").write_bytes(b"nothing of the kind")
    (folder / "d.parquet").touch()
    command = ["clean", folder, "--out"]
    done = prepcore_command(*command, tmp_path / "none", check=1)
    assert "is not" in done.stderr or "not a" in done.stderr
    assert not (tmp_path / "none").exists()
    out = tmp_path / "out"
    planned = prepcore_command(*command, out, "--skip-corrupt", "--dry-run", "--json")
    assert json.loads(planned.stdout)["files"] == 4
    prepcore_command(*command, out, "--skip-corrupt", "--max-unreadable", "1%")
    counts = check_sums(out)
    assert (counts["documents"], counts["unreadable"]) == (ROWS + 3, 3)
    assert [line["file"] for line in unreadable(out)] == ["a.parquet", "c.parquet", "d.parquet"]
    settings = json.loads((out / "manifest.json").read_text())["configuration"]
    assert settings["skip_corrupt"] is True


def test_footers_none_of_which_can_be_read(tmp_path: Path, prepcore_command: Run) -> None:
    (tmp_path / "raw.parquet").write_bytes(b"nothing of the kind")
    command = ["clean", tmp_path / "raw.parquet", "--out", tmp_path / "out", "--skip-corrupt"]
    done = prepcore_command(*command, check=1)
    assert "raw.parquet: footer: " in done.stderr
    assert not (tmp_path / "out").exists()
