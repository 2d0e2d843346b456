"""A run given again goes on where it was, says that it is done, or is refused; and stops when asked."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import polars as pl
import pytest

from tests.conftest import Run
from tests.prepcore.running import (
    ANY,
    GO_ON,
    all_stamps,
    clean,
    digests,
    facts,
    finished,
    folder_of_parts,
    kill_once_finished,
    manifest,
    stamps,
    start,
    wait_for,
)

PARTS = 9
SLOW = (*ANY, "--compression-level", 17, "--threads", 2)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An input of several parts."""
    return folder_of_parts(tmp_path_factory.mktemp("parts") / "raw", PARTS)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, parts: Path) -> Path:
    """The output of one go over it."""
    out = tmp_path_factory.mktemp("whole") / "out"
    clean(parts, "--out", out, *SLOW)
    assert len(manifest(out)["parts"]) == PARTS
    assert manifest(out)["counts"]["dropped"]["duplicate"] > 30
    return out


@pytest.mark.parametrize("dedup", ["memory", "disk"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_and_the_same_command_goes_on(
    tmp_path: Path, parts: Path, whole: Path, number: signal.Signals, code: int, dedup: str
) -> None:
    out = tmp_path / "out"
    arguments = (parts, "--out", out, *SLOW, "--dedup", dedup)
    process = start(*arguments)
    wait_for(process, lambda: len(finished(out)) >= 3)
    process.send_signal(number)
    sent = time.monotonic()
    _, messages = process.communicate(timeout=60)
    took = time.monotonic() - sent
    print(f"stopped after {took:.2f} s")
    assert process.returncode == code, messages
    # The promise is a second; what a busy machine adds to it is not ours.
    assert took < 5
    assert GO_ON in messages
    assert str(out) in messages
    assert "Traceback" not in messages

    assert not (out / "manifest.json").exists()
    assert not list(out.rglob("*.tmp"))
    entries = finished(out)
    before = stamps(out, entries)
    # What has its final name is whole: the journal knows it.
    assert {path for path in before if path.parent == out} == set(out.glob("part-*"))

    clean(*arguments)
    assert digests(out) == digests(whole)
    assert {path: stamp for path, stamp in all_stamps(out).items() if path in before} == before
    run = facts(out)
    assert run["parts"] == {"found_finished": len(entries), "written": PARTS - len(entries)}
    assert run["interruptions"] == 1
    read = sum(entry["record"]["counts"]["documents"] for entry in entries)
    # On disk, signatures were complete before the first part was: no more than the rest is read either.
    assert run["read"]["documents"] == manifest(out)["counts"]["documents"] - read


def test_a_stop_before_anything_is_finished_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    # One part of some twenty row groups: when the first is written, most of the work is still to come.
    texts = [f"{row} a line\nof words\nand more " + f"word {row % 997} " * 300 for row in range(60_000)]
    pl.DataFrame({"text": texts}).write_parquet(tmp_path / "raw.parquet", row_group_size=2500)
    for attempt in range(5):
        out = tmp_path / f"out-{attempt}"
        process = start(tmp_path / "raw.parquet", "--out", out, "--compression-level", 17)
        wait_for(process, lambda out=out: (out / ".part-00000.parquet.tmp").exists())
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        assert process.returncode in (0, 143)
        if not out.exists():
            break
        # The part was finished before the signal was heard; nothing else may be left.
        assert process.returncode == 0 or finished(out), sorted(out.rglob("*"))
    else:
        pytest.fail("five times the part was finished before the signal was heard")
    # Other settings than before are none that differ.
    clean(tmp_path / "raw.parquet", "--out", out, "--compression-level", 1)


def test_a_finished_folder_given_again_is_not_touched(tmp_path: Path, whole: Path, parts: Path) -> None:
    before = all_stamps(whole)
    # None of these changes the output.
    done = clean(parts, "--out", whole, *ANY, "--compression-level", 17, "--threads", 1, "--dedup", "disk")
    assert f"{whole} is finished already" in done.stdout
    assert "nothing was done" in done.stdout
    assert all_stamps(whole) == before
    done = clean(parts, "--out", whole, *SLOW, "--json")
    assert json.loads(done.stdout) == manifest(whole)
    assert "is finished already" in done.stderr
    assert all_stamps(whole) == before


def test_other_settings_and_other_inputs_are_refused_by_name(tmp_path: Path) -> None:
    raw = folder_of_parts(tmp_path / "raw", 3, documents=5, size=300)
    out = tmp_path / "out"
    clean(raw, "--out", out, *ANY)
    before = digests(out)

    def refusal(*arguments: object) -> str:
        done = clean(*arguments, "--out", out, *ANY, exit_code=2)
        assert "--overwrite" in done.stderr
        assert digests(out) == before
        return done.stderr

    said = refusal(
        *(raw, "--compression-level", 5, "--rules.short-lines.min-lines", 9, "--dedup-key", "lowercase")
    )
    assert "compression_level was 3, now 5" in said
    assert "rules.short_lines.min_lines was 3, now 9" in said
    assert 'dedup_key was "exact", now "lowercase"' in said
    assert 'dedup was "on", now "off"' in refusal(raw, "--dedup", "off")
    (raw / "000-001.txt").write_text("three\nlines\nthen")
    (raw / "zzz.txt").write_text("one\nmore\nfile")
    said = refusal(raw)
    assert "the input was 18 files, now 19" in said
    assert "the input 000-001.txt had " in said


def test_other_settings_are_refused_by_an_unfinished_run(tmp_path: Path, parts: Path) -> None:
    out = tmp_path / "out"
    kill_once_finished(1, out, parts, *SLOW)
    before = all_stamps(out)
    done = clean(parts, "--out", out, *SLOW, "--limit", 50, exit_code=2)
    assert "limit was null, now 50" in done.stderr
    assert all_stamps(out) == before


def test_overwrite_starts_afresh_and_spares_what_is_not_ours(tmp_path: Path) -> None:
    raw = folder_of_parts(tmp_path / "raw", 5, documents=5, size=300)
    few = folder_of_parts(tmp_path / "few", 2, documents=5, size=300, seed=1)
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    clean(raw, "--out", out, *ANY)
    (out / "notes.txt").write_text("mine")
    clean(few, "--out", out, *ANY, "--overwrite")
    clean(few, "--out", fresh, *ANY)
    assert (out / "notes.txt").read_text() == "mine"
    (out / "notes.txt").unlink()
    assert digests(out) == digests(fresh)

    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "part-00000.parquet").write_text("precious")
    for more in ((), ("--overwrite",)):
        done = clean(few, "--out", theirs, *ANY, *more, exit_code=2)
        assert "is not empty" in done.stderr
        assert [path.read_text() for path in theirs.iterdir()] == ["precious"]


def test_a_second_process_in_the_same_folder_is_refused(tmp_path: Path, parts: Path, whole: Path) -> None:
    out = tmp_path / "out"
    first = start(parts, "--out", out, *SLOW)
    wait_for(first, lambda: len(finished(out)) >= 1)
    first.send_signal(signal.SIGSTOP)
    for more in ((), ("--overwrite",), ("--shard", "1/2")):
        done = clean(parts, "--out", out, *SLOW, *more, exit_code=2)
        assert "another process is working in this output folder" in done.stderr
    first.send_signal(signal.SIGCONT)
    _, messages = first.communicate(timeout=120)
    assert first.returncode == 0, messages
    assert digests(out) == digests(whole)


def test_a_working_folder_removed_by_hand_leaves_a_folder_that_is_refused(
    tmp_path: Path, parts: Path
) -> None:
    out = tmp_path / "out"
    kill_once_finished(1, out, parts, *SLOW)
    before = digests(out / "keys")
    for path in sorted((out / ".unfinished").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (out / ".unfinished").rmdir()
    done = clean(parts, "--out", out, *SLOW, "--overwrite", exit_code=2)
    assert "is not empty" in done.stderr
    assert digests(out / "keys") == before


@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_a_key_file_that_was_damaged_between_two_runs_is_noticed(
    tmp_path: Path, parts: Path, whole: Path, damage: str
) -> None:
    out = tmp_path / "out"
    kill_once_finished(3, out, parts, *SLOW)
    keys = out / "keys/part-00001.keys"
    content = bytearray(keys.read_bytes())
    if damage == "cut":
        keys.write_bytes(content[:-5])
    else:
        content[20] ^= 1
        keys.write_bytes(content)
        done = clean(parts, "--out", out, *SLOW, exit_code=1)
        assert f"{keys}: content: its checksum is" in done.stderr
        # Without the file, its part is made again.
        keys.unlink()
    clean(parts, "--out", out, *SLOW)
    assert digests(out) == digests(whole)


def test_an_unfinished_run_is_no_input_and_a_dry_run_says_what_is_there(
    tmp_path: Path, parts: Path, prepcore_command: Run
) -> None:
    out = tmp_path / "out"
    prepcore_command("clean", parts, "--out", out, "--shard", "1/2", "--quiet", *ANY)
    refused = prepcore_command("clean", out, "--out", tmp_path / "second", check=2)
    assert "holds a run that is not finished" in refused.stderr
    looked = prepcore_command("clean", parts, "--out", out, "--dry-run", *ANY)
    assert "(holds an unfinished run)" in looked.stdout
    prepcore_command("clean", parts, "--out", out, "--quiet", *ANY)
    looked = prepcore_command("clean", parts, "--out", out, "--dry-run", "--json", *ANY)
    assert json.loads(looked.stdout)["output_holds"] == "a finished run"
