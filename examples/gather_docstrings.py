"""Gather the English docstrings and help topics of Python's standard library into raw JSONL.

Nothing is imported but `pydoc_data.topics`, which is data: the sources are parsed, so no module runs. The
order is that of the sorted file names and of the lines in them, so one Python version always gives the same
bytes.

    python examples/gather_docstrings.py demo/raw.jsonl
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path

SKIPPED = {"site-packages", "dist-packages", "test", "tests", "idle_test", "lib2to3", "__pycache__"}
"""Folders without prose of the library itself."""


def main(out: Path) -> None:
    """Write a line a text: ``{"text": …, "source": …}``."""
    out.parent.mkdir(parents=True, exist_ok=True)
    texts = characters = 0
    with out.open("w", encoding="utf-8", newline="\n") as lines:
        for source, text in gather(Path(sysconfig.get_paths()["stdlib"])):
            lines.write(json.dumps({"text": text, "source": source}, ensure_ascii=False) + "\n")
            texts += 1
            characters += len(text)
    print(f"{texts:,} texts, {characters / 1e6:.1f} million characters -> {out}", file=sys.stderr)


def gather(library: Path) -> Iterator[tuple[str, str]]:
    """List (source, text) of every docstring below a folder, then of every help topic."""
    for path in sorted(library.rglob("*.py")):
        relative = path.relative_to(library)
        if not SKIPPED.intersection(relative.parts):
            for name, text in docstrings(path):
                yield f"{relative.as_posix()}:{name}", text
    from pydoc_data.topics import topics

    for name in sorted(topics):
        yield f"topic:{name}", topics[name]


def docstrings(path: Path) -> Iterator[tuple[str, str]]:
    """List (name, docstring) of a source file's module, classes and functions, in the order of its lines."""
    try:
        with warnings.catch_warnings():
            # Old sources hold escapes such as "\d", of which the parser complains.
            warnings.simplefilter("ignore")
            tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return  # some files of the library are wrong on purpose
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(tree) if isinstance(node, documented)]
    for node in sorted(nodes, key=lambda node: getattr(node, "lineno", 0)):
        text = ast.get_docstring(node, clean=False)
        if text:
            yield getattr(node, "name", "module"), inspect.cleandoc(text)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} OUT.jsonl")
    main(Path(sys.argv[1]))
