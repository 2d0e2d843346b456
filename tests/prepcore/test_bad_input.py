"""What bad input gets: a clear error, or a count; nothing is lost in silence."""

from __future__ import annotations

import gzip
import json
import os
import shlex
from pathlib import Path

import polars as pl
import pytest

from tests.conftest import Run
from tests.prepcore import running
from tests.prepcore.conftest import in_namespace
from tests.prepcore.folders import check_sums, unreadable

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
    check_sums(tmp_path / "out")
    assert counts["unreadable"] == 1
    assert 1000 < counts["kept"] < 19_000
    (line,) = (tmp_path / "out/unreadable.jsonl").read_text().splitlines()
    record = json.loads(line)
    assert record["offset"] >= sum(map(len, lines[: counts["documents"] - 1]))
    assert "cannot be read on from here" in record["error"]


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_corrupt_compression_keeps_what_was_readable(
    tmp_path: Path, prepcore_command: Run, suffix: str
) -> None:
    import pyarrow as pa

    lines = [f'{{"text":"{GOOD} {n} {n * 7919}"}}\n' for n in range(50_000)]
    content = "".join(lines).encode()
    # Two members, or frames: the first is whole, and the second damaged. (Zstandard notices damage to its
    # literals by a checksum alone, which frames need not have; so its frame is damaged where it begins.)
    compress = gzip.compress if suffix == "gz" else lambda part: pa.compress(part, codec="zstd", asbytes=True)
    half = content.index(b"\n", len(content) // 2) + 1
    first, second = compress(content[:half]), bytearray(compress(content[half:]))
    start = len(second) // 2 if suffix == "gz" else 0
    second[start : start + 100] = b"\xff" * 100
    path = tmp_path / f"raw.jsonl.{suffix}"
    path.write_bytes(first + second)
    prepcore_command("clean", path, "--out", tmp_path / "out", "--quiet", check=None)
    counts = check_sums(tmp_path / "out")
    assert counts["kept"] >= content[:half].count(b"\n")
    records = unreadable(tmp_path / "out")
    assert "cannot be read on from here" in records[-1]["error"]
    assert half <= records[-1]["offset"] <= len(content)


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


@pytest.mark.parametrize("name", ["raw.jsonl", "raw.parquet", "raw.txt"])
def test_a_document_beyond_the_memory_budget_is_counted(
    tmp_path: Path, prepcore_command: Run, name: str
) -> None:
    path = tmp_path / "in" / name
    path.parent.mkdir()
    large = "x" * (9 << 20)
    if name == "raw.jsonl":
        path.write_text(f'{{"text":"{large}"}}\n{{"text":"{GOOD}"}}\n')
    elif name == "raw.parquet":
        pl.DataFrame({"text": [large, GOOD.replace("\\n", "\n")]}).write_parquet(path)
    else:
        path.write_text(large)
        path.with_name("small.txt").write_text(GOOD.replace("\\n", "\n"))
    command = ["clean", path.parent, "--out", tmp_path / "out", "--memory", "64MiB", "--json"]
    counts = json.loads(prepcore_command(*command, check=3).stdout)["counts"]
    assert (counts["kept"], counts["unreadable"]) == (1, 1)
    (line,) = unreadable(tmp_path / "out")
    assert "the memory budget allows 8388608" in line["error"]
    assert str(9 << 20)[:4] in line["error"]
    check_sums(tmp_path / "out")


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


def test_odd_lines_are_copied_as_they_are(tmp_path: Path, prepcore_command: Run) -> None:
    lines = [f'{{"text":"{GOOD} {n}","n":[1, 2e5]}}'.encode() for n in range(4)]
    raw = b"\xef\xbb\xbf" + lines[0] + b"\r\n\r\n  \n" + lines[1] + b"\n" + lines[2] + b"\r\n" + lines[3]
    (tmp_path / "raw.ndjson").write_bytes(raw)
    out = tmp_path / "out"
    prepcore_command("clean", tmp_path / "raw.ndjson", "--out", out, "--format", "jsonl")
    assert (out / "part-00000.jsonl").read_bytes() == b"".join(line + b"\n" for line in lines)
    assert check_sums(out)["documents"] == 4


def test_text_files_that_are_no_text(tmp_path: Path, prepcore_command: Run) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.txt").write_bytes(b"\xef\xbb\xbfa first line\nand a second\nand a third\n")
    (folder / "b.bin").write_bytes(b"\x00\x01 good until \xff")
    (folder / "c.txt.gz").write_bytes(gzip.compress(b"line\n" * 1000)[:-20])
    prepcore_command("clean", folder, "--out", tmp_path / "out", "--quiet", check=3)
    counts = check_sums(tmp_path / "out")
    assert (counts["documents"], counts["kept"], counts["unreadable"]) == (3, 1, 2)
    assert pl.read_parquet(tmp_path / "out/part-00000.parquet")["text"][0].startswith("a first")
    first = unreadable(tmp_path / "out")[0]
    assert (first["file"], first["offset"]) == ("b.bin", 14)


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


def test_output_that_cannot_be_written(tmp_path: Path, good: Path, prepcore_command: Run) -> None:
    file = tmp_path / "file"
    file.touch()
    # What refuses root too: a path under a file, and a file system that takes no files.
    for out in [file, file / "out", Path("/proc/prepcore"), Path("/sys/prepcore")]:
        for verb in (["clean"], ["tokenizer", "--vocabulary-size", "300"]):
            done = prepcore_command(*verb, good, "--out", out, check=2)
            refused(done, str(out))
    assert file.read_bytes() == b""


def test_an_output_folder_on_a_disk_that_is_read_only(good: Path, mounted: Path) -> None:
    for folder in (mounted, mounted / "new"):
        run = shlex.join(running.command(good, "--out", folder))
        done = in_namespace(f"mount -t tmpfs -o ro none {shlex.quote(str(mounted))}; exec {run}")
        assert done.returncode == 2, done.stderr
        refused(done, str(folder), "ead-only")


def test_too_little_free_space(tmp_path: Path, mounted: Path) -> None:
    with (tmp_path / "raw.jsonl").open("w") as file:
        file.writelines(f'{{"text":"{GOOD} {n}"}}\n' for n in range(100_000))
    for options in ([], ["--dry-run"]):
        run = shlex.join(running.command(tmp_path / "raw.jsonl", "--out", mounted / "new", *options))
        done = in_namespace(f"mount -t tmpfs -o size=64k none {shlex.quote(str(mounted))}; exec {run}")
        assert done.returncode == 2, done.stderr
        refused(done, "too little free space: about ", "65536 are free")


@pytest.mark.parametrize(
    ("verb", "option", "value", "wanted"),
    [
        ("clean", "--threads", "0", "from 1 to 1,024"),
        ("clean", "--threads", "1025", "from 1 to 1,024"),
        ("clean", "--threads", "two", "from 1 to 1,024"),
        ("clean", "--threads", "-1", "from 1 to 1,024"),
        ("clean", "--threads", "1" * 30, "from 1 to 1,024"),
        ("clean", "--memory", "10MiB", "at least 64MiB"),
        ("clean", "--memory", "lots", "512MiB"),
        ("clean", "--memory", "9" * 400, "512MiB"),
        ("clean", "--memory", "-1GiB", "512MiB"),
        ("clean", "--max-unreadable", "1.5", "from 0 to 1"),
        ("clean", "--max-unreadable", "nan", "from 0 to 1"),
        ("clean", "--compression-level", "23", "1 to 22"),
        ("clean", "--limit", "-1", "at least 0"),
        ("clean", "--limit", "1" * 30, "below 2^63"),
        ("clean", "--rules.short-lines.min-lines", "0", "at least 1"),
        ("clean", "--rules.short-lines.min-line-chars", "-1", "at least 0"),
        ("clean", "--rules.repetition.max-repeated-chars", "120%", "from 0 to 1"),
        ("clean", "--rules.repetition.max-repeated-paragraphs", "-0.1", "from 0 to 1"),
        ("clean", "--format", "csv", "parquet"),
        ("clean", "--dedup", "disk!", "memory"),
        ("clean", "--dedup-key", "column:", "column:NAME"),
        ("clean", "--text-column", "", "name"),
        ("tokenizer", "--vocabulary-size", "100", "at least 257"),
        ("tokenizer", "--sample", "0", "512MiB"),
        ("pack", "--sequence-length", "1", "at least 2"),
        ("pack", "--validation", "2", "from 0 to 1"),
        ("pack", "--seed", "-1", "at least 0"),
    ],
)
def test_values_out_of_range(
    tmp_path: Path, good: Path, prepcore_command: Run, verb: str, option: str, value: str, wanted: str
) -> None:
    needed = {"clean": [], "tokenizer": ["--vocabulary-size", "300"], "pack": ["--tokenizer", tmp_path]}
    words = [verb, good, "--out", tmp_path / "out", *needed[verb], f"{option}={value}"]
    refused(prepcore_command(*words, check=2), option, value[:20], wanted)
    assert not (tmp_path / "out").exists()


def test_names_and_texts_do_not_steer_the_terminal(tmp_path: Path, prepcore_command: Run) -> None:
    name = "\x1b[31mred\x1b]0;title\x07\x9b2J\u202e.jsonl"
    folder = tmp_path / "in \x1b[2J"
    folder.mkdir()
    (folder / name).write_text(f'{{"text":"\\u001b[31m{GOOD}"}}\n{{"text":"\x1b[31m"}}\n{{"\x1b[31m":1}}\n')
    out = tmp_path / "out \x1b[2J"
    shown = [
        prepcore_command("clean", folder / name, "--out", out, check=3),
        prepcore_command("clean", folder / name, "--out", out, "--dry-run", check=None),
        prepcore_command("clean", folder / name, "--out", tmp_path / "json", "--json", check=3),
        prepcore_command(
            "clean", folder / name, "--out", out / "\x1b[3J", "--text-column", "\x1b[m", check=3
        ),
        prepcore_command("clean", folder / "\x1b[31mnone", "--out", out, check=2),
        prepcore_command("clean", folder / name, "--\x1b[31m", "1", check=2),
        prepcore_command("\x1b[31m", check=2),
    ]
    for done in shown:
        for text in (done.stdout, done.stderr):
            assert not set(text) & {*map(chr, range(9)), *map(chr, range(11, 32)), "\x7f", "\x9b", "\u202e"}
    assert json.loads(shown[2].stdout)["inputs"][0]["path"] == name


def test_names_that_are_not_utf8(tmp_path: Path, prepcore_command: Run) -> None:
    name = os.fsencode(tmp_path) + b"/\xff.jsonl"
    with open(name, "w") as file:  # noqa: PTH123 (a path of bytes)
        file.write(f'{{"text":"{GOOD}"}}\n')
    out = os.fsdecode(os.fsencode(tmp_path) + b"/out\xff")
    prepcore_command("clean", os.fsdecode(name), "--out", out)
    assert check_sums(Path(out))["kept"] == 1
    refused(prepcore_command("clean", os.fsdecode(name) + "x", "--out", out + "2", check=2), "no such file")


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (None, "tokenizer.json"),
        ("{", "tokenizer.json"),
        ('{"version":"1.0"}', "tokenizer.json"),
        ('{"version":"1.0","model":{"type":"Unheard"}}', "tokenizer.json"),
    ],
)
def test_tokenizers_that_cannot_be_used(
    tmp_path: Path, good: Path, prepcore_command: Run, content: str | None, wanted: str
) -> None:
    file = tmp_path / "tokenizer.json"
    if content is not None:
        file.write_text(content)
    for dry in ([], ["--dry-run"]):
        command = ["pack", good, "--tokenizer", tmp_path, "--out", tmp_path / "out", *dry]
        refused(prepcore_command(*command, check=2), wanted)
    assert not (tmp_path / "out").exists()
