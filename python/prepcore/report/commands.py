"""The commands that look at a cleaned folder: `report`, `explain`, `sample`."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prepcore.arguments import Command, UsageError, option, printable


def _input_root() -> Any:
    text = "folder under which the files of the input lie now, where they were moved"
    return option(None, text, metavar="DIR", parse=str)


@dataclass(frozen=True, kw_only=True)
class ReportCommand:
    """Command line of `prepcore report`."""

    folders: list[str] = option(
        help="folder that prepcore clean or pack has written, or two cleaned ones to compare",
        metavar="DIR",
        positional=True,
    )
    html: str | None = option(None, "write the report as one HTML file too", metavar="FILE", parse=str)
    input_root: str | None = _input_root()
    json: bool = option(False, "print the report as one JSON document on standard output")


@dataclass(frozen=True, kw_only=True)
class ExplainCommand:
    """Command line of `prepcore explain`."""

    folder: list[str] = option(help="folder that prepcore clean has written", metavar="DIR", positional=True)
    file: str | None = option(None, "file of the input, as manifest.json names it", metavar="FILE", parse=str)
    row: int | None = option(None, "row of the file, from 0: a Parquet row, or a line of JSONL", minimum=0)
    text: str | None = option(None, "a text to judge instead; - reads it from standard input", parse=str)
    input_root: str | None = _input_root()
    json: bool = option(False, "print what was found as one JSON document on standard output")


@dataclass(frozen=True, kw_only=True)
class SampleCommand:
    """Command line of `prepcore sample`."""

    folder: list[str] = option(help="folder that prepcore clean has written", metavar="DIR", positional=True)
    reason: str | None = option(None, "reason that the documents were dropped for", metavar="NAME", parse=str)
    kept: bool = option(False, "documents that were kept, instead")
    number: int = option(5, "documents to draw", minimum=1, maximum=100_000)
    seed: int = option(0, "seed by which they are drawn", minimum=0)
    input_root: str | None = _input_root()
    json: bool = option(False, "print one JSON object a document")


def report(command: ReportCommand) -> int:
    """Run ``prepcore report``."""
    from prepcore.report import terminal
    from prepcore.report.facts import counted, gathered
    from prepcore.report.folder import CleanedFolder
    from prepcore.report.page import write_page
    from prepcore.report.table import show
    from prepcore.tokens.manifest import has_cleaning, is_token_folder

    tokens = [folder for folder in command.folders if is_token_folder(folder)]
    if tokens and (len(command.folders) == 1 or not all(map(has_cleaning, tokens))):
        return _report_tokens(command)
    if len(command.folders) > 2:
        raise UsageError(f"{len(command.folders)} folders were named", "one is reported, or two are compared")
    if command.html is not None and len(command.folders) == 2:
        raise UsageError("--html has no effect on a comparison", "report each folder alone to write its page")
    opened = [CleanedFolder.open(folder, command.input_root) for folder in command.folders]
    full = command.html is not None or (command.json and len(opened) == 1)
    facts = [gathered(folder) if full else counted(folder) for folder in opened]
    if command.html is not None:
        write_page(facts[0], Path(command.html))
    if command.json:
        _print_json(facts[0] if len(facts) == 1 else terminal.differences(*facts))
    elif len(facts) == 2:
        show(terminal.compared(*facts))
    else:
        written = [] if command.html is None else [f"written: {command.html}"]
        show(terminal.tables(facts[0]), [facts[0]["covers"], *written])
    return 0


def _report_tokens(command: ReportCommand) -> int:
    """Report a token folder, and the cleaning where it was made in one pass with it."""
    from prepcore.report import terminal
    from prepcore.report.facts import counted
    from prepcore.report.facts import gathered as gathered_of_cleaning
    from prepcore.report.folder import CleanedFolder
    from prepcore.report.page import write_page
    from prepcore.report.table import show
    from prepcore.tokens.folder import Tokens
    from prepcore.tokens.manifest import has_cleaning
    from prepcore.tokens.report import gathered, tables

    path = _only(command.folders)
    tokens = Tokens(path)
    facts, cleaned = gathered(tokens), has_cleaning(path)
    if not cleaned:
        for given, what in ((command.html, "--html"), (command.input_root, "--input-root")):
            if given is not None:
                raise UsageError(f"{what} has no effect on a token folder", "leave it out")
    folder = CleanedFolder.open(path, command.input_root) if cleaned else None
    if folder is not None and command.html is not None:
        write_page(gathered_of_cleaning(folder), Path(command.html))
    if command.json:
        _print_json(facts if folder is None else {**facts, "cleaning": counted(folder)})
        return 0
    show(tables(facts))
    if folder is not None:
        written = [] if command.html is None else [f"written: {command.html}"]
        show(terminal.tables(counted(folder)), written)
    return 0


def explain(command: ExplainCommand) -> int:
    """Run ``prepcore explain``."""
    from prepcore.report.explain import explained_row, explained_text, tables
    from prepcore.report.folder import CleanedFolder
    from prepcore.report.table import show

    if (command.text is None) == (command.file is None):
        raise UsageError("--file with --row, or --text, must be given, and not both")
    if command.file is not None and command.row is None:
        raise UsageError(
            "--row must be given with --file", "rows count from 0; a file of text has row 0 alone"
        )
    if command.file is None and command.row is not None:
        raise UsageError("--row has no effect with --text")
    folder = CleanedFolder.open(_only(command.folder), command.input_root)
    if command.text is not None:
        explained = explained_text(folder, _text(command.text))
    else:
        explained = explained_row(folder, str(command.file), int(command.row or 0))
    if command.json:
        _print_json(explained)
    else:
        show(*tables(explained))
    return 0


def sample(command: SampleCommand) -> int:
    """Run ``prepcore sample``."""
    from prepcore.report import sample as drawing
    from prepcore.report.folder import CleanedFolder

    if command.kept == (command.reason is not None):
        raise UsageError("--reason, or --kept, must be given, and not both")
    folder = CleanedFolder.open(_only(command.folder), command.input_root)
    if command.reason is None:
        documents = drawing.kept(folder, command.number, command.seed)
    else:
        documents = drawing.dropped(folder, command.reason, command.number, command.seed)
    if command.json:
        for document in documents:
            _print_json(document)
    else:
        for line in drawing.lines(documents):
            sys.stdout.write(printable(line) + "\n")
    return 0


def _only(folders: list[str]) -> str:
    if len(folders) != 1:
        raise UsageError(f"{len(folders)} folders were named, and one is wanted: {', '.join(folders)}")
    return folders[0]


def _text(given: str) -> str:
    if given != "-":
        return given
    try:
        return sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"--text -: standard input is not UTF-8 (byte {error.start})") from error


def _print_json(document: Any) -> None:
    sys.stdout.write(printable(json.dumps(document, ensure_ascii=False)) + "\n")


COMMANDS = (
    Command(
        name="report",
        summary="show what each rule removed, what tokens there are, or compare cleaned folders",
        description="Show what each rule removed, with thresholds and times, or two folders side by side.\n"
        "--html writes histograms, examples and the rules' reasons into one file. Of a token folder: tokens\n"
        "a byte and by source, lengths of documents, unknown and byte-fallback tokens, top tokens.",
        configuration=lambda: ReportCommand,
        run=report,
        examples="""
  prepcore report cleaned
  prepcore report cleaned --html report.html
  prepcore report strict loose
  prepcore report tokens
""",
    ),
    Command(
        name="explain",
        summary="say why one document was kept or dropped",
        description="Say what became of one document, and what each check measures in it. With --text, what\n"
        "the folder's settings say of any text.",
        configuration=lambda: ExplainCommand,
        run=explain,
        examples="""
  prepcore explain cleaned --file raw.parquet --row 17
  prepcore explain cleaned --text - < essay.txt
""",
    ),
    Command(
        name="sample",
        summary="show some of the documents that were dropped for a reason",
        description="Draw documents that were dropped for a reason, or kept, evenly: text, address, value.",
        configuration=lambda: SampleCommand,
        run=sample,
        examples="""
  prepcore sample cleaned --reason short_lines
  prepcore sample cleaned --kept --number 20 --json
""",
    ),
)
"""What `prepcore.cli` adds to its own commands."""
