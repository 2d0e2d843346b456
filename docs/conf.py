"""How `make docs` builds the guide: these pages as they are, and the help of every command."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path

from sphinx.application import Sphinx

import prepcore.cli
import trainer.cli

project = "prepcore and trainer"
release = trainer.__version__

extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

# The source folder is that of the repository, so that links out of this folder are followed and checked, too.
root_doc = "docs/index"
include_patterns = ["*.md", "docs/**", "benchmarks/**", "examples/**"]
exclude_patterns = [".*", "build", "target", "demo", "course", "runs", "benchmarks/evidence/template.md"]

html_theme = "furo"
html_title = project
html_show_sphinx = False
html_copy_source = False

os.environ["COLUMNS"] = "88"  # of the help

PROGRAMS = (prepcore.cli.PROGRAM, trainer.cli.program())


def write_reference(app: Sphinx) -> None:
    """Write the page with the help of every command, which is thus that of this commit."""
    parts = ["# Options of every command\n\nWhat `--help` prints.\n"]
    for program in PROGRAMS:
        for command in program.commands:
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                program.main([*command.name.split(), "--help"])
            text = printed.getvalue().strip()
            parts.append(f"## `{program.name} {command.name}`\n\n```text\n{text}\n```\n")
    (Path(app.srcdir) / "docs" / "options.md").write_text("\n".join(parts), encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Have the page written before the others are read."""
    app.connect("builder-inited", write_reference)
