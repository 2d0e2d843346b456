"""A corpus with something of everything, cleaned through the command, for tests of what is shown of it."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HOSTILE = "<script>alert('x')</script>\x1b[31mred\x1b[0m\x07 \u202eturned <img src=x onerror=alert(1)>"
"""Markup and control characters on one line, which is too few of them."""

NAME = "a<b>&'\"c.jsonl"
"""A name with markup in it."""


def prepcore(*words: object, code: int = 0, given: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    command = [sys.executable, "-m", "prepcore", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, input=given, check=False, timeout=300)
    assert done.returncode == code, f"{command}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done


def json_of(*words: object, **options: Any) -> Any:
    """Run a command with ``--json`` and return what it printed."""
    return json.loads(prepcore(*words, "--json", **options).stdout)


def kept_text(number: int) -> str:
    return f"document {number}\nhas several lines of text\nand number {number * number} in its third"


def lines(first: int, count: int) -> Iterator[str]:
    """Lines of JSONL: documents of every fate, empty lines, and lines that cannot be read."""
    for number in range(first, first + count):
        texts: dict[int, Any] = {
            1: f"one line {number}",
            2: f"a\nb\nc\n{number}",
            3: "\n\n".join([f"the same paragraph of {number}"] * 4),
            4: kept_text(number - number % 10),
            5: None,
            7: HOSTILE,
        }
        if number % 10 == 6:
            yield ""
        else:
            yield json.dumps({"id": number, "text": texts.get(number % 10, kept_text(number))})


def write(folder: Path) -> Path:
    """Write the corpus: a file with a hostile name, and a compressed one in a folder of its own."""
    (folder / "deep").mkdir(parents=True)
    (folder / NAME).write_text("\n".join(lines(0, 200)) + "\n")
    (folder / "deep" / "more.jsonl.gz").write_bytes(gzip.compress("\n".join(lines(200, 95)).encode()))
    return folder


def clean(raw: Path, out: Path, *words: object) -> Path:
    """Clean it, whatever is unreadable."""
    prepcore("clean", raw, "--out", out, "--max-unreadable", "1", "--quiet", *words)
    return out


def rows_of(raw: Path) -> list[tuple[str, int, str]]:
    """Return file, row and line of every line of the corpus."""
    found = []
    for path in sorted(path for path in raw.rglob("*") if path.is_file()):
        content = path.read_bytes()
        text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
        name = str(path.relative_to(raw))
        found += [(name, row, line) for row, line in enumerate(text.removesuffix("\n").split("\n"))]
    return found
