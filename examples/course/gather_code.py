"""Gather source files of Python's standard library into raw JSONL, without their docstrings.

The docstrings are the prose of these lessons (`examples/gather_docstrings.py`), so they are cut out here:
what is held out of one kind of text is not in the training of the other.

    python examples/course/gather_code.py course/code.jsonl
"""

from __future__ import annotations

import ast
import json
import sys
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path

FOLDERS = (
    "asyncio",
    "concurrent",
    "email",
    "http",
    "importlib",
    "json",
    "logging",
    "unittest",
    "urllib",
    "xml",
)
"""About as much code as there is prose."""


def main(out: Path) -> None:
    """Write a line a file: ``{"text": …, "source": …}``."""
    out.parent.mkdir(parents=True, exist_ok=True)
    files = characters = 0
    with out.open("w", encoding="utf-8", newline="\n") as lines:
        for source, text in gather(Path(sysconfig.get_paths()["stdlib"])):
            lines.write(json.dumps({"text": text, "source": source}, ensure_ascii=False) + "\n")
            files += 1
            characters += len(text)
    print(f"{files:,} files, {characters / 1e6:.1f} million characters -> {out}", file=sys.stderr)


def gather(library: Path) -> Iterator[tuple[str, str]]:
    """List (source, text) of the files below some folders of the library."""
    paths = [path for folder in FOLDERS for path in (library / folder).rglob("*.py")]
    for path in sorted(paths):
        if "test" not in path.parts:
            code = without_docstrings(path)
            if code:
                yield path.relative_to(library).as_posix(), code


def without_docstrings(path: Path) -> str | None:
    """Return a file's code with the lines of its docstrings cut out; None for what is no Python in UTF-8."""
    try:
        text = path.read_text(encoding="utf-8")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old sources hold escapes such as "\d"
            tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return None
    cut: set[int] = set()
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, documented) and ast.get_docstring(node, clean=False):
            cut.update(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    return "\n".join(line for number, line in enumerate(text.splitlines(), 1) if number not in cut).strip()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} OUT.jsonl")
    main(Path(sys.argv[1]))
