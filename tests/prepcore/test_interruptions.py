"""Kills at any moment, full disks and folders that cannot be written lose no finished part and no byte."""

from __future__ import annotations

import random
import resource
import shlex
from pathlib import Path

import pyarrow as pa
import pytest

from tests.prepcore.conftest import in_namespace
from tests.prepcore.running import (
    ANY,
    GO_ON,
    clean,
    command,
    digests,
    facts,
    finished,
    folder_of_parts,
    kill_and_go_on,
    manifest,
    stamps,
    start,
)

LEVEL = ("--compression-level", 15, "--threads", 2)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Text files in several parts."""
    return folder_of_parts(tmp_path_factory.mktemp("parts") / "raw", 9)


@pytest.fixture(scope="module")
def compressed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One compressed file that fills three pieces of a part: 640 MB of text that compress to nothing."""
    path = tmp_path_factory.mktemp("compressed") / "raw.jsonl.zst"
    filler = "\\n" + "again " * 170_000
    with pa.CompressedOutputStream(pa.OSFile(str(path), "wb"), "zstd") as file:
        for row in range(620):
            file.write(f'{{"text":"{row % 600}\\none\\ntwo{filler}"}}\n'.encode())
    return path


@pytest.mark.parametrize("dedup", ["memory", "disk"])
@pytest.mark.parametrize(
    "moments", [3, pytest.param(50, marks=pytest.mark.soak)], ids=lambda moments: f"{moments} kills"
)
def test_kills_at_any_moment_do_not_show(tmp_path: Path, parts: Path, moments: int, dedup: str) -> None:
    arguments = (parts, *ANY, *LEVEL, "--dedup", dedup)
    kill_and_go_on(arguments, tmp_path / "out", tmp_path / "whole", moments, seed=moments)


@pytest.mark.parametrize(
    ("moments", "dedup"),
    [
        (2, "disk"),
        pytest.param(25, "memory", marks=pytest.mark.soak),
        pytest.param(25, "disk", marks=pytest.mark.soak),
    ],
)
def test_kills_within_a_compressed_file_do_not_show(
    tmp_path: Path, compressed: Path, moments: int, dedup: str
) -> None:
    arguments = (compressed, "--dedup", dedup, "--threads", 2)
    kill_and_go_on(arguments, tmp_path / "out", tmp_path / "whole", moments, seed=moments)
    pieces = [part["path"] for part in manifest(tmp_path / "whole")["parts"]]
    assert pieces == [f"part-00000{piece}.jsonl.zst" for piece in ("", "_00001", "_00002")]


def test_a_file_size_limit_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    raw = folder_of_parts(tmp_path / "raw", 5, documents=8, size=5000)
    drawn = random.Random(0)
    (raw / "003-long.txt").write_text("\n".join(drawn.randbytes(40).hex() for _ in range(3000)))
    whole, out = tmp_path / "whole", tmp_path / "out"
    clean(raw, "--out", whole, *ANY)
    sizes = [part["bytes"] for part in manifest(whole)["parts"]]
    refused, limit = 3, 100_000
    assert max(sizes[:refused]) < limit < sizes[refused]
    arguments = (raw, "--out", out, *ANY)
    process = start(*arguments, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    _, messages = process.communicate(timeout=120)
    assert process.returncode == 1
    assert f"{out}/part-{refused:05}.parquet: cannot write: File too large" in messages
    assert GO_ON in messages
    assert "Traceback" not in messages
    entries = finished(out)
    assert len(entries) == refused
    before = stamps(out, entries)
    clean(*arguments)
    assert stamps(out, entries) == before
    assert facts(out)["parts"] == {"found_finished": refused, "written": len(sizes) - refused}
    assert digests(out) == digests(whole)


def test_a_full_disk_is_an_error_and_the_run_goes_on_once_there_is_room(
    tmp_path: Path, compressed: Path, mounted: Path
) -> None:
    whole, copy = tmp_path / "whole", tmp_path / "copy"
    # Gzip takes more room than the input, so that what is planned fits and what is written does not.
    settings = (compressed, "--format", "jsonl.gz", "--threads", 2)
    clean(*settings, "--out", whole)
    needed = sum(path.stat().st_size for path in whole.rglob("*") if path.is_file())
    out, disk = mounted / "out", shlex.quote(str(mounted))
    run = shlex.join(command(*settings, "--out", out))
    journal = shlex.quote(str(out / ".unfinished/journal-00001-of-00001.jsonl"))
    done = in_namespace(f"""
        mount -t tmpfs -o size={needed * 6 // 10} none {disk}
        code=0; {run} || code=$?
        echo "first: $code"
        echo "finished: $(grep -c '"finished"' {journal} || true)"
        mount -o remount,size={needed * 20} {disk}
        code=0; {run} >&2 || code=$?
        echo "second: $code"
        cp -r {shlex.quote(str(out))} {shlex.quote(str(copy))}
    """)
    print(done.stdout, done.stderr)
    assert "first: 1\n" in done.stdout
    assert "No space left on device" in done.stderr
    assert f"error: {out}/" in done.stderr
    assert GO_ON in done.stderr
    assert "second: 0\n" in done.stdout
    assert digests(copy) == digests(whole)
    left = int(done.stdout.split("finished: ")[1].split("\n")[0])
    assert facts(copy)["parts"] == {"found_finished": left, "written": 3 - left}
    assert left > 0


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path, mounted: Path) -> None:
    raw = folder_of_parts(tmp_path / "raw", 1, documents=5, size=300)
    mount = shlex.quote(str(mounted))
    new = shlex.join(command(raw, "--out", mounted / "new", *ANY))
    there = shlex.join(command(raw, "--out", mounted / "there", *ANY))
    done = in_namespace(f"""
        mount -t tmpfs none {mount}
        {there} --quiet
        mkdir {mount}/empty
        mount -o remount,ro {mount}
        code=0; {new} || code=$?
        echo "new: $code"
        code=0; {shlex.join(command(raw, "--out", mounted / "empty", *ANY))} || code=$?
        echo "empty: $code"
        code=0; {there} || code=$?
        echo "there: $code"
    """)
    assert "new: 2\n" in done.stdout
    assert f"{mounted}/new: cannot be made: Read-only file system" in done.stderr
    assert "empty: 2\n" in done.stdout
    assert f"{mounted}/empty: is not writable: " in done.stderr
    # What is finished needs no writing.
    assert "there: 0\n" in done.stdout
    assert "is finished already" in done.stdout
