"""What tests of interrupted runs share: a cheap input of many parts, processes, and what these left."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MEMORY = "64MiB"
"""Makes a text of more than 8 MiB too large, which the padding below relies on."""

PADDING = 200 << 20
"""Bytes of a file that is all hole: fills most of a part in the plan, and is passed over when read."""

ANY = ("--max-unreadable", "1", "--memory", MEMORY)
"""What cleaning `folder_of_parts` needs."""

GO_ON = "the same command goes on from there"


def folder_of_parts(folder: Path, parts: int, documents: int = 25, size: int = 20_000, seed: int = 0) -> Path:
    """Write a folder of text files that is planned as so many parts.

    Parts are cut by the sizes of files, 256 MiB each, before anything is read. A file that is all hole takes
    no disk and fills a part; it counts as unreadable, being too large for `MEMORY`. Around it lie documents
    of about `size` bytes, of which many come again in other parts.
    """
    drawn = random.Random(seed)
    words = ["".join(drawn.choices("abcdefghijklmnop", k=drawn.randint(2, 9))) for _ in range(3000)]
    distinct = [
        "\n".join(" ".join(drawn.choices(words, k=12)) for _ in range(max(3, size // 70)))
        for _ in range(parts * documents * 2 // 3)
    ]
    folder.mkdir(parents=True)
    for part in range(parts):
        with (folder / f"{part:03}-0-padding.txt").open("wb") as padding:
            padding.truncate(PADDING)
        for number in range(documents):
            text = "too short" if number == 7 else drawn.choice(distinct)
            (folder / f"{part:03}-{number:03}.txt").write_text(text)
    return folder


def command(*arguments: object, verb: str = "clean") -> list[str]:
    """Return the command line of a verb of `prepcore`."""
    return [sys.executable, "-m", "prepcore", verb, *map(str, arguments)]


def start(*arguments: object, verb: str = "clean", **options: Any) -> subprocess.Popen[str]:
    """Start a `prepcore clean`, or another verb."""
    return subprocess.Popen(
        command(*arguments, verb=verb), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def run(verb: str, *arguments: object, exit_code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a verb of `prepcore` to its end."""
    done = subprocess.run(command(*arguments, verb=verb), capture_output=True, text=True, timeout=600)
    assert done.returncode == exit_code, f"{done.args}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done


def clean(*arguments: object, exit_code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a `prepcore clean` to its end."""
    return run("clean", *arguments, exit_code=exit_code)


def wait_for(process: subprocess.Popen[str], reached: Callable[[], bool]) -> None:
    """Wait until a process has come so far; it must not have ended by then."""
    deadline = time.monotonic() + 120
    while not reached():
        assert process.poll() is None, f"ended with {process.returncode}: {process.communicate()}"
        assert time.monotonic() < deadline, "it never came so far"
        time.sleep(0.005)


def finished(out: Path) -> list[dict[str, Any]]:
    """Return the parts that the journals of an unfinished run name."""
    entries = []
    for journal in sorted((out / ".unfinished").glob("journal-*")):
        lines = [line for line in journal.read_text().splitlines(keepends=True) if line.endswith("\n")]
        entries += [entry["finished"] for entry in map(json.loads, lines) if "finished" in entry]
    return entries


def kill_once_finished(parts: int, out: Path, *arguments: object, verb: str = "clean") -> None:
    """Start a verb into a folder and kill it once so many parts are finished there."""
    process = start(*arguments, "--out", out, verb=verb)
    wait_for(process, lambda: len(finished(out)) >= parts)
    process.kill()
    process.communicate()


def stamps(out: Path, entries: list[dict[str, Any]]) -> dict[Path, tuple[int, int]]:
    """Return inode and time stamp of each file of these parts that stays when the run is finished."""
    paths = [out / name for name in _paths_in(entries) if not name.startswith(".unfinished/")]
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in paths}


def _paths_in(value: Any) -> list[str]:
    """Return every file that lines of a journal name."""
    if isinstance(value, dict):
        own = [value["path"]] if isinstance(value.get("path"), str) else []
        return own + [path for member in value.values() for path in _paths_in(member)]
    return [path for member in value for path in _paths_in(member)] if isinstance(value, list) else []


def all_stamps(out: Path) -> dict[Path, tuple[int, int]]:
    """Return inode and time stamp of every file of a folder."""
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in out.rglob("*")}


def digests(folder: Path) -> dict[str, str]:
    """Return every file that must be the same in two runs, by name; hidden ones too."""
    files = [
        path for path in folder.rglob("*") if path.is_file() and path.name not in {"run.json", "report.html"}
    ]
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(files)
    }


def facts(out: Path) -> dict[str, Any]:
    """Return what a folder says of the run that finished it."""
    document: dict[str, Any] = json.loads((out / "run.json").read_text())
    return document


def manifest(out: Path) -> dict[str, Any]:
    """Return a finished folder's manifest."""
    document: dict[str, Any] = json.loads((out / "manifest.json").read_text())
    return document


def kill_and_go_on(
    arguments: tuple[object, ...], out: Path, whole: Path, moments: int, seed: int, verb: str = "clean"
) -> None:
    """Kill a run at so many moments, each time going on, and compare what comes in the end."""
    began = time.monotonic()
    run(verb, *arguments, "--out", whole)
    lasts = time.monotonic() - began
    drawn = random.Random(seed)
    killed, rounds, most = 0, 0, 0
    while killed < moments:
        process = start(*arguments, "--out", out, verb=verb)
        began = time.monotonic()
        try:
            # A run that goes on has less to do: early moments must come often enough for it to get anywhere.
            process.communicate(timeout=lasts * drawn.uniform(0.2, 1.1))
            assert process.returncode == 0
            # The first go was slow, or this one had little left: later moments would come too late.
            lasts = min(lasts, max(time.monotonic() - began, lasts / 2))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            killed += 1
            most = max(most, len(finished(out)))
        if (out / "manifest.json").exists():
            run(verb, *arguments, "--out", out)
            assert digests(out) == digests(whole)
            shutil.rmtree(out)
            rounds += 1
    run(verb, *arguments, "--out", out)
    assert digests(out) == digests(whole)
    print(f"{killed} kills, {rounds} runs completed between them, up to {most} parts were finished")
