"""What is shown while a run goes on: lines for a log, a bar on a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from prepcore import progress
from tests.prepcore.seen import clean, prepcore, write


def event(stage: str, documents: int, size: int, **more: Any) -> dict[str, Any]:
    kept = {"kept": documents // 2, "unreadable": 0}
    return {
        "stage": stage,
        "documents": documents,
        "bytes": size,
        "bytes_total": 1_000_000_000,
        **kept,
        **more,
    }


def read_all(terminal: int) -> bytes:
    """Read what is drawn on a pseudo terminal until its other side is closed."""
    drawn = b""
    while True:
        try:
            read = os.read(terminal, 4096)
        except OSError:
            # How Linux says that nobody writes any more.
            read = b""
        if not read:
            os.close(terminal)
            return drawn
        drawn += read


def test_speed_and_time_left_are_those_of_the_stage() -> None:
    pace = progress.Pace()
    assert pace.said(event("sign", 0, 0), 100.0) == "0 documents"
    said = pace.said(event("sign", 5_000, 250_000_000), 105.0)
    assert said == "5,000 documents, 50% kept, 1,000 documents/s, 50.0 MB/s, 15 s left"
    # The next stage counts from nothing.
    assert pace.said(event("emit", 0, 0), 300.0) == "0 documents"
    said = pace.said(event("emit", 100, 1_000_000, unreadable=3), 310.0)
    assert said == "100 documents, 50% kept, 3 unreadable, 10 documents/s, 0.1 MB/s, 2 h 46 min left"


def test_no_time_is_guessed_where_the_end_is_not_known_or_all_has_just_begun() -> None:
    pace = progress.Pace()
    pace.said(event("clean", 0, 0), 0.0)
    assert "left" not in pace.said(event("clean", 10, 1000), 1.0)
    assert "left" not in pace.said(event("clean", 10, 1000, bytes_total=0), 60.0)
    # A compressed input may hold more than its size had promised.
    assert pace.said(event("clean", 10, 2_000_000_000), 60.0).endswith(", 0 s left")


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"), (7_620, "2 h 07 min")]
)
def test_times_are_written_as_people_say_them(seconds: float, said: str) -> None:
    assert progress._duration(seconds) == said


def test_lines_come_now_and_then_where_nobody_looks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, 1.0, 5.0, 10.5, 12.0, 21.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with progress.Progress() as shown:
        for size in range(1, 6):
            assert shown.callback is not None
            shown.callback(event("clean", size, size * 100_000_000))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == ["clean: 300 MB (30%)", "clean: 500 MB (50%)"]
    assert lines[1].endswith("MB/s, 20 s left")


def test_a_terminal_shows_a_bar_and_clears_it() -> None:
    code = (
        "import time\nfrom prepcore import progress\n"
        "progress._SILENCE = 0.0\n"
        "with progress.Progress() as shown:\n"
        "    for n in range(3):\n"
        "        shown.callback(dict(stage='clean', documents=10 * n, kept=5 * n, unreadable=0,"
        " bytes=n, bytes_total=2))\n"
        "        time.sleep(0.2)\n"
    )
    main, second = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "140"}
    done = subprocess.Popen([sys.executable, "-c", code], stderr=second, env=environment)
    os.close(second)
    drawn = read_all(main)
    assert done.wait(timeout=60) == 0
    assert b"20 documents, 50% kept" in drawn
    assert b"\x1b[2K" in drawn


def test_a_report_on_a_terminal_is_a_table(tmp_path: Path) -> None:
    out = clean(write(tmp_path / "raw"), tmp_path / "out")
    assert "\u2500" not in prepcore("report", out).stdout
    main, second = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    command = [sys.executable, "-m", "prepcore", "report", str(out)]
    done = subprocess.Popen(command, stdout=second, env=environment)
    os.close(second)
    drawn = read_all(main)
    assert done.wait(timeout=60) == 0
    assert "\u2500\u2500\u2500".encode() in drawn
    assert b"few_lines" in drawn
