"""`prepcore pack` goes on where it was stopped, says that it is done, or is refused, as `clean` does."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.prepcore.running import (
    ANY,
    GO_ON,
    all_stamps,
    clean,
    digests,
    facts,
    finished,
    folder_of_parts,
    kill_and_go_on,
    kill_once_finished,
    manifest,
    run,
    stamps,
    start,
    wait_for,
)

PARTS = 7


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An input of several parts, enough text to take some seconds."""
    return folder_of_parts(tmp_path_factory.mktemp("parts") / "raw", PARTS, documents=40, size=60_000)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory, parts: Path) -> Path:
    out = tmp_path_factory.mktemp("trained") / "tokenizer"
    run("tokenizer", parts, "--vocabulary-size", 600, "--out", out, "--quiet", *ANY)
    return out


@pytest.fixture(scope="module")
def usual(parts: Path, tokenizer: Path) -> tuple[object, ...]:
    """What the tests pack, and how."""
    settings = ("--sequence-length", 512, "--validation", "10%", "--threads", 2)
    return (parts, "--tokenizer", tokenizer, *settings, *ANY)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, usual: tuple[object, ...]) -> Path:
    """The output of one go over it."""
    out = tmp_path_factory.mktemp("whole") / "out"
    run("pack", *usual, "--out", out)
    files = [file["path"] for file in manifest(out)["files"]]
    assert files == [f"tokens-{number:05}.ds" for number in range(PARTS)]
    assert manifest(out)["counts"]["validation"] > 10
    return out


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_a_signal_stops_and_the_same_command_goes_on(
    tmp_path: Path, usual: tuple[object, ...], whole: Path, number: signal.Signals, code: int
) -> None:
    out = tmp_path / "out"
    process = start(*usual, "--out", out, verb="pack")
    wait_for(process, lambda: len(finished(out)) >= 3)
    process.send_signal(number)
    _, messages = process.communicate(timeout=60)
    assert process.returncode == code, messages
    if number != signal.SIGKILL:
        assert GO_ON in messages
        assert not list(out.rglob("*.tmp"))
    entries = finished(out)
    before = stamps(out, entries)
    assert len(before) >= 3 * 3

    run("pack", *usual, "--out", out)
    assert digests(out) == digests(whole)
    assert {path: stamp for path, stamp in all_stamps(out).items() if path in before} == before
    told = facts(out)
    assert told["parts"] == {"found_finished": len(entries), "written": PARTS - len(entries)}
    assert told["interruptions"] == 1
    read = sum(entry["facts"]["documents"] for entry in entries)
    assert told["read"]["documents"] == manifest(out)["counts"]["documents"] - read


@pytest.mark.parametrize("layout", ["tokens", "parquet"])
@pytest.mark.parametrize(
    "moments", [3, pytest.param(50, marks=pytest.mark.soak)], ids=lambda moments: f"{moments} kills"
)
def test_kills_at_any_moment_do_not_show(
    tmp_path: Path, usual: tuple[object, ...], moments: int, layout: str
) -> None:
    arguments = (*usual, "--format", layout)
    kill_and_go_on(arguments, tmp_path / "out", tmp_path / "whole", moments, seed=moments, verb="pack")


def test_a_finished_folder_given_again_is_not_touched(usual: tuple[object, ...], whole: Path) -> None:
    before = all_stamps(whole)
    done = run("pack", *usual, "--out", whole, "--threads", 1)
    assert f"{whole} is finished already" in done.stdout
    done = run("pack", *usual, "--out", whole, "--json")
    assert json.loads(done.stdout) == manifest(whole)
    assert "is finished already" in done.stderr
    assert all_stamps(whole) == before
    looked = run("pack", *usual, "--out", whole, "--dry-run", "--json")
    assert json.loads(looked.stdout)["output_holds"] == "a finished run"


def test_other_settings_are_refused_by_name_until_overwritten(
    tmp_path: Path, usual: tuple[object, ...], tokenizer: Path
) -> None:
    out = tmp_path / "out"
    kill_once_finished(1, out, *usual, verb="pack")
    before = all_stamps(out)
    done = run("pack", *usual, "--out", out, "--sequence-length", 100, "--eos", "none", exit_code=2)
    assert "sequence_length was 512, now 100" in done.stderr
    assert 'eos was "auto", now "none"' in done.stderr
    assert "--overwrite" in done.stderr
    assert all_stamps(out) == before
    few = folder_of_parts(tmp_path / "few", 2, documents=5, size=300)
    again = (few, "--tokenizer", tokenizer, *ANY)
    run("pack", *again, "--out", out, "--overwrite")
    run("pack", *again, "--out", tmp_path / "fresh")
    assert digests(out) == digests(tmp_path / "fresh")


def test_folders_of_others_are_refused(tmp_path: Path, tokenizer: Path) -> None:
    few = folder_of_parts(tmp_path / "few", 2, documents=5, size=300)
    theirs, cleaned, unfinished = tmp_path / "theirs", tmp_path / "cleaned", tmp_path / "unfinished"
    theirs.mkdir()
    (theirs / "tokens-00000.ds").write_text("precious")
    clean(few, "--out", cleaned, *ANY)
    clean(few, "--out", unfinished, "--shard", "1/2", *ANY)
    for folder, said in (
        (theirs, "is not empty"),
        (cleaned, "is not empty"),
        (unfinished, "holds an unfinished run of another verb than `prepcore pack`"),
    ):
        before = digests(folder)
        for more in ((), ("--overwrite",)):
            done = run("pack", few, "--tokenizer", tokenizer, "--out", folder, *ANY, *more, exit_code=2)
            assert said in done.stderr
            assert digests(folder) == before
