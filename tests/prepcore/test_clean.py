"""`prepcore clean` from files to a folder: formats, parts, ledger, the same bytes at any width."""

from __future__ import annotations

import gzip
import json
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
import xxhash

from tests.conftest import Run
from tests.prepcore.running import digests

GOOD = "a first line\na second line\na third line"


def corpus(rows: int) -> list[dict[str, Any]]:
    """Documents of which some are short, some repeat themselves and some come again."""
    made = []
    for row in range(rows):
        text = f"{GOOD} of {row % (rows * 3 // 4)}\n" + "filler " * (row % 50)
        if row % 7 == 3:
            text = "short"
        if row % 11 == 5:
            text = f"{row}\n\n" + "again and again\nand again\n\n" * 3
        made.append({"id": row, "text": text, "tags": ["é", None] if row % 2 else [], "score": row / 7})
    return made


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=row["id"] % 2 == 0) + "\n" for row in rows))
    return path


def test_every_format_gives_the_same_documents(tmp_path: Path, prepcore_command: Run) -> None:
    rows = corpus(3000)
    plain = write_jsonl(tmp_path / "raw.jsonl", rows)
    bytes_ = plain.read_bytes()
    third = len(bytes_) // 3
    members = gzip.compress(bytes_[:third]) + gzip.compress(bytes_[third:])
    (tmp_path / "members.jsonl.gz").write_bytes(members)
    frames = b"".join(zstd(piece) for piece in (bytes_[:third], bytes_[third:]))
    (tmp_path / "frames.jsonl.zst").write_bytes(frames)
    pl.DataFrame(rows).write_parquet(tmp_path / "raw.parquet", row_group_size=700)
    kept = {}
    for name in ("raw.jsonl", "members.jsonl.gz", "frames.jsonl.zst", "raw.parquet"):
        out = tmp_path / f"out-{name}"
        done = prepcore_command(
            "clean", tmp_path / name, "--out", out, "--format", "parquet", "--json", "--quiet"
        )
        manifest = json.loads(done.stdout)
        assert manifest == json.loads((out / "manifest.json").read_text())
        frame = pl.read_parquet(out / "part-00000.parquet")
        kept[name] = (frame["text"].to_list(), manifest["counts"])
        if name.endswith("parquet"):
            assert frame.columns == ["id", "text", "tags", "score"]
            assert frame["tags"].to_list() == [rows[row]["tags"] for row in frame["id"]]
        else:
            extra = [json.loads(rest) for rest in frame["extra"]]
            assert extra == [{k: v for k, v in rows[e["id"]].items() if k != "text"} for e in extra]
    first, *others = kept.values()
    assert all(other == first for other in others)


def zstd(content: bytes) -> bytes:
    """A Zstandard frame."""
    compressed: bytes = pa.compress(content, codec="zstd", asbytes=True)
    return compressed


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz", "jsonl.zst"])
def test_kept_lines_are_copied_byte_for_byte(tmp_path: Path, prepcore_command: Run, suffix: str) -> None:
    lines = [
        f'{{ "text": "{GOOD} 1", "n":1.50,  "x":[1,  2]}}'.replace("\n", "\\n"),
        '{"text":"short"}',
        f'{{"text":"caf\\u00e9 {GOOD}","n":1e400}}'.replace("\n", "\\n"),
    ]
    (tmp_path / "raw.jsonl").write_text("\r\n".join(lines))
    prepcore_command("clean", tmp_path / "raw.jsonl", "--out", tmp_path / "out", "--format", suffix)
    assert read_lines(tmp_path / f"out/part-00000.{suffix}") == [lines[0], lines[2]]


def read_lines(path: Path) -> list[str]:
    """Lines of a plain, gzip or Zstandard file."""
    if path.suffix == ".zst":
        with pa.CompressedInputStream(pa.OSFile(str(path)), "zstd") as stream:
            return stream.read().decode().splitlines()
    content = path.read_bytes()
    return (gzip.decompress(content) if path.suffix == ".gz" else content).decode().splitlines()


def test_parquet_becomes_jsonl_on_request(tmp_path: Path, prepcore_command: Run) -> None:
    rows = corpus(50)
    pl.DataFrame(rows).write_parquet(tmp_path / "raw.parquet")
    prepcore_command("clean", tmp_path / "raw.parquet", "--out", tmp_path / "out", "--format", "jsonl")
    written = [json.loads(line) for line in (tmp_path / "out/part-00000.jsonl").read_text().splitlines()]
    assert written == [rows[record["id"]] for record in written]
    assert len(written) > 20


@pytest.mark.parametrize("name", ["raw.parquet", "raw.jsonl"])
def test_the_same_bytes_at_any_number_of_threads(tmp_path: Path, prepcore_command: Run, name: str) -> None:
    rows = corpus(4000)
    for row in rows:
        row["text"] += "\n" + f"{row['id']} lorem ipsum " * 700  # 40 MB: several units
    if name.endswith("parquet"):
        pl.DataFrame(rows).write_parquet(tmp_path / name, row_group_size=900)
    else:
        write_jsonl(tmp_path / name, rows)
    seen = []
    for threads in (1, 2, 7):
        out = tmp_path / f"out-{threads}"
        prepcore_command("clean", tmp_path / name, "--out", out, "--threads", threads, "--keep-dropped")
        seen.append(digests(out))
    assert seen[0] == seen[1] == seen[2]
    assert "manifest.json" in seen[0]
    assert "keys/part-00000.keys" in seen[0]


def test_manifest_checksums_keys_and_order(tmp_path: Path, prepcore_command: Run) -> None:
    rows = corpus(500)
    half = write_jsonl(tmp_path / "b.jsonl", rows[:250])
    write_jsonl(tmp_path / "a.jsonl", rows[250:])
    out = tmp_path / "out"
    prepcore_command("clean", half, tmp_path / "a.jsonl", "--out", out, "--format", "parquet")
    manifest = json.loads((out / "manifest.json").read_text())
    assert [(entry["path"], entry["rows"]) for entry in manifest["inputs"]] == [
        ("b.jsonl", 250),
        ("a.jsonl", 250),
    ]
    (part,) = manifest["parts"]
    for record in (part, part["keys"], part["dropped"]):
        content = (out / record["path"]).read_bytes()
        assert record["bytes"] == len(content)
        assert record["checksum"] == f"xxh3-128:{xxhash.xxh3_128_hexdigest(content)}"
    texts = pl.read_parquet(out / part["path"])["text"].to_list()
    keys = (out / "keys/part-00000.keys").read_bytes()
    assert keys[:16] == b"PREPKEYS" + struct.pack("<II", 1, 32)
    records = list(struct.iter_unpack("<16sIB3xQ", keys[16:]))
    assert len(records) == part["rows"] == part["keys"]["rows"] == len(texts)
    for (key, source, kept, row), text in zip(records, texts, strict=True):
        assert rows[source * 250 + row]["text"] == text
        assert (key, kept) == (xxhash.xxh3_128_digest(text.encode()), 1)


def test_dedup_keys(tmp_path: Path, prepcore_command: Run) -> None:
    texts = [GOOD, GOOD.upper(), GOOD.replace(" ", "\t "), GOOD, "another\nreally other\ntext"]
    frame = pl.DataFrame({"text": texts, "url": ["a", "b", "b", None, None]})
    frame.write_parquet(tmp_path / "raw.parquet")

    def kept(key: str, *more: str) -> list[str]:
        out = tmp_path / f"out-{key}{''.join(more)}"
        prepcore_command("clean", tmp_path / "raw.parquet", "--out", out, "--dedup-key", key, *more)
        return pl.read_parquet(out / "part-00000.parquet")["text"].to_list()

    assert kept("exact") == [texts[0], texts[1], texts[2], texts[4]]
    assert kept("whitespace") == [texts[0], texts[1], texts[4]]
    assert kept("lowercase") == [texts[0], texts[4]]
    assert kept("column:url") == [texts[0], texts[1], texts[3], texts[4]]
    assert kept("exact", "--dedup", "off") == texts


def test_a_folder_of_sources_is_a_document_a_file(tmp_path: Path, prepcore_command: Run) -> None:
    folder = tmp_path / "src"
    (folder / "pkg").mkdir(parents=True)
    (folder / "pkg/b.py").write_text("import os\nimport sys\nprint(os, sys)\n")
    (folder / "a.py").write_text("﻿def a():\n    return 1\n\n\nprint(a())\n")
    (folder / "copy.py").write_text((folder / "pkg/b.py").read_text())
    (folder / "_private.py").write_text(GOOD)
    (folder / ".hidden.py").write_text(GOOD)
    (folder / "latin1.py").write_bytes(b"# caf\xe9\n" + GOOD.encode())
    prepcore_command("clean", folder, "--out", tmp_path / "out", "--max-unreadable", "50%")
    frame = pl.read_parquet(tmp_path / "out/part-00000.parquet")
    assert frame["path"].to_list() == ["a.py", "copy.py"]
    assert frame["text"][0].startswith("def a()")
    (line,) = (tmp_path / "out/unreadable.jsonl").read_text().splitlines()
    assert json.loads(line) == {
        "source": 2,
        "file": "latin1.py",
        "row": 0,
        "rows": 1,
        "offset": 5,
        "error": "not valid UTF-8",
    }


def test_settings_on_one_line_do_not_make_a_folder_of_code_jsonl(
    tmp_path: Path, prepcore_command: Run
) -> None:
    folder = tmp_path / "src"
    folder.mkdir()
    (folder / "a.py").write_text("import os\nimport sys\nprint(os, sys)\n")
    (folder / "package.json").write_text('{"name":"one line"}')
    done = prepcore_command("clean", folder, "--out", tmp_path / "out", "--json", "--quiet")
    assert (
        json.loads(done.stdout)["counts"] | {"documents": 2, "kept": 1} == json.loads(done.stdout)["counts"]
    )


def test_inputs_of_one_name_are_told_apart(tmp_path: Path, prepcore_command: Run) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_jsonl(tmp_path / folder / "raw.jsonl", corpus(5))
    (tmp_path / "c.jsonl").write_text("")
    paths = [tmp_path / "a/raw.jsonl", tmp_path / "b/raw.jsonl", tmp_path / "c.jsonl"]
    done = prepcore_command("clean", *paths, "--out", tmp_path / "out", "--json", "--quiet")
    assert [entry["path"] for entry in json.loads(done.stdout)["inputs"]] == [
        "a/raw.jsonl",
        "b/raw.jsonl",
        "c.jsonl",
    ]


def test_bytes_serve_as_a_key(tmp_path: Path, prepcore_command: Run) -> None:
    frame = pl.DataFrame(
        {"text": [f"{GOOD} {n}" for n in range(3)], "hash": [b"\xff\x00", b"\xfe", b"\xff\x00"]}
    )
    frame.write_parquet(tmp_path / "raw.parquet")
    prepcore_command(
        "clean", tmp_path / "raw.parquet", "--out", tmp_path / "out", "--dedup-key", "column:hash"
    )
    assert (
        pl.read_parquet(tmp_path / "out/part-00000.parquet")["text"].to_list() == frame["text"].to_list()[:2]
    )


def test_limit_counts_rows_read(tmp_path: Path, prepcore_command: Run) -> None:
    rows = corpus(300)
    path = write_jsonl(tmp_path / "raw.jsonl", rows)
    path.write_text("not json\n" + path.read_text())
    manifests = []
    for threads in (1, 3):
        out = tmp_path / f"out-{threads}"
        command = [
            "clean",
            path,
            "--out",
            out,
            "--limit",
            100,
            "--threads",
            threads,
            "--max-unreadable",
            "5%",
        ]
        prepcore_command(*command)
        manifests.append(digests(out))
    assert manifests[0] == manifests[1]
    counts = json.loads((tmp_path / "out-1/manifest.json").read_text())["counts"]
    assert (counts["documents"], counts["unreadable"]) == (100, 1)


def test_a_cleaned_folder_is_an_input(tmp_path: Path, prepcore_command: Run) -> None:
    write_jsonl(tmp_path / "raw.jsonl", corpus(300))
    first, second = tmp_path / "first", tmp_path / "second"
    prepcore_command("clean", tmp_path / "raw.jsonl", "--out", first)
    prepcore_command("clean", first, "--out", second)
    one, two = (json.loads((folder / "manifest.json").read_text())["counts"] for folder in (first, second))
    assert two["documents"] == two["kept"] == one["kept"]


def test_ctrl_c_stops_within_a_second_and_leaves_no_half_file(tmp_path: Path) -> None:
    line = json.dumps({"text": f"{GOOD} " * 40})
    with (tmp_path / "raw.jsonl").open("w") as file:
        for row in range(150_000):
            file.write(line.replace("first", str(row), 1) + "\n")
    out = tmp_path / "out"
    command = [sys.executable, "-m", "prepcore", "clean", str(tmp_path / "raw.jsonl"), "--out", str(out)]
    process = subprocess.Popen([*command, "--compression-level", "19"], stderr=subprocess.PIPE, text=True)
    while not list(out.glob(".part-*")) and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(2)
    started = time.monotonic()
    _, messages = process.communicate(timeout=60)
    print(f"stopped after {time.monotonic() - started:.2f} s")
    assert process.returncode == 130, messages
    assert "Traceback" not in messages
    assert not list(out.rglob("*.tmp"))
    assert not (out / "manifest.json").exists()


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz", "jsonl.zst"])
def test_a_part_without_documents_is_a_valid_file(tmp_path: Path, prepcore_command: Run, suffix: str) -> None:
    (tmp_path / "raw.jsonl").write_text('{"text":"short"}\n')
    prepcore_command("clean", tmp_path / "raw.jsonl", "--out", tmp_path / "out", "--format", suffix)
    assert read_lines(tmp_path / f"out/part-00000.{suffix}") == []
