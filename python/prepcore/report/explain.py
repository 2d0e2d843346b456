"""Why one document was kept or dropped: what its folder states, and what each check measures in it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from prepcore.arguments import UsageError
from prepcore.report.folder import CleanedFolder
from prepcore.report.reasons import WITHOUT_CHECK, number, wanted
from prepcore.report.table import Table

MOST_CHANGES = 20
"""Lines of what rewriting changed that are shown."""


def explained_row(folder: CleanedFolder, file: str, row: int) -> dict[str, Any]:
    """Explain a document by its address.

    Returns
    -------
    dict
        ``file``, ``row``, ``fate`` and ``because`` (see `_fate_of`), ``ledger`` (what the folder states),
        ``examined`` (rewriting and checks; None where there is no text), ``text``, and whether ledger and
        checks ``agree``.

    Raises
    ------
    UsageError
        For a file that the input does not have, a row that is none, or an input that cannot be found.
    """
    source = folder.source(file)
    name = folder.name(source)
    ledger = folder.fate(source, row)
    found = folder.rows(source, [row])[row]
    text = found.get("text")
    if ledger["fate"] == "unknown":
        fate, because = _without_entry(folder, name, row, found)
    else:
        fate, because = _fate_of(folder, ledger)
    examined = None if text is None else folder.examine([text])[0]
    return {
        "file": name,
        "row": row,
        "fate": fate,
        "because": because,
        "ledger": ledger,
        "text": text,
        "examined": examined,
        "agree": _agree(folder, ledger, examined),
        "not_measured": folder.examiner.missing,
    }


def explained_text(folder: CleanedFolder, text: str) -> dict[str, Any]:
    """Explain what a folder's settings say of any text, in the form of `explained_row` without an address."""
    examined = folder.examine([text])[0]
    failed = _first_failed(examined)
    fate, because = "kept", "it passes every check (of duplicates and --where nothing is known)"
    if failed is not None:
        fate = "dropped"
        because = f"{failed['reason']}: {_measured(failed)}, and kept is {wanted(failed)}"
    return {
        "fate": fate,
        "because": because,
        "text": text,
        "examined": examined,
        "agree": True,
        "not_measured": folder.examiner.missing,
    }


def _fate_of(folder: CleanedFolder, ledger: Mapping[str, Any]) -> tuple[str, str]:
    """Say what the folder states of a document that it has an entry for."""
    if ledger["fate"] == "kept":
        if ledger["path"] is None:
            return "kept", "it was packed, and not written"
        return "kept", f"it is row {ledger['row']} of {folder.path / ledger['path']}"
    if ledger["fate"] == "unreadable":
        at = "" if ledger["offset"] is None else f" (byte {ledger['offset']:,})"
        return "unreadable", f"{ledger['error']}{at}"
    reason = ledger["reason"]
    if ledger["twin_row"] is not None:
        twin = ledger["detail"] if ledger["twin_source"] is None else folder.name(ledger["twin_source"])
        return (
            "dropped",
            f"{reason}: the same text stands in {twin} row {ledger['twin_row']}, which came first",
        )
    check = next((check for check in folder.checks if check["reason"] == reason and "wanted" in check), None)
    if check is None:
        return "dropped", f"{reason}: {WITHOUT_CHECK.get(reason, 'a rule that this version does not know')}"
    return "dropped", f"{reason}: {_measured(ledger)}, and kept is {wanted(check)}"


def _without_entry(folder: CleanedFolder, name: str, row: int, found: Mapping[str, Any]) -> tuple[str, str]:
    """Say why a folder has no entry for a row."""
    if found["found"] == "blank":
        raise UsageError(f"--row: line {row} of {name} is empty, and so is no document", "lines count from 0")
    if found["found"] == "beyond":
        rows = folder.manifest["inputs"][folder.source(name)]["rows"]
        raise UsageError(
            f"--row: {name} has no row {row}",
            f"rows count from 0; {rows:,} of its rows hold something and were read",
        )
    limit = folder.manifest["configuration"].get("limit")
    if limit is not None:
        return "not read", f"it lies beyond --limit {limit:,}"
    return "unknown", "the folder has no entry for it, although it stands in the input"


def _agree(folder: CleanedFolder, ledger: Mapping[str, Any], examined: Mapping[str, Any] | None) -> bool:
    """Whether the checks, measured now, give the fate that the folder states."""
    if examined is None or ledger["fate"] in ("unreadable", "unknown"):
        return True
    failed = _first_failed(examined)
    if ledger["fate"] == "kept":
        return failed is None
    if any(check["reason"] == ledger["reason"] for check in examined["checks"]):
        stated = (ledger["reason"], ledger["value"])
        return failed is not None and (failed["reason"], failed["value"]) == stated
    # What is not measured here, such as a duplicate, has its place in the order, too.
    order = [check["reason"] for check in folder.checks]
    if failed is None or ledger["reason"] not in order:
        return True
    return order.index(failed["reason"]) > order.index(ledger["reason"])


def _first_failed(examined: Mapping[str, Any]) -> dict[str, Any] | None:
    failed: dict[str, Any] | None = next((check for check in examined["checks"] if not check["passes"]), None)
    return failed


def tables(explained: Mapping[str, Any]) -> tuple[list[Table], list[str]]:
    """Lay out what was explained: tables, and sentences below them."""
    address = f"{explained['file']} row {explained['row']}" if "file" in explained else "this text"
    notes = [f"{address}: {explained['fate']}, {explained['because']}"]
    examined = explained["examined"]
    if examined is None:
        return [], notes
    made = []
    if examined["rewritten"]:
        rows = [(kind, f"{count:,}") for kind, count in examined["rewritten"].items()]
        made.append(Table("rewritten before it was judged", ("what", "times"), rows))
    if examined["text"] is not None and explained["text"] is not None:
        made.append(
            Table("lines that rewriting changed", ("",), _changes(explained["text"], examined["text"]))
        )
    measured = [
        (check["rule"], check["reason"], _found(check), wanted(check), "pass" if check["passes"] else "fail")
        for check in examined["checks"]
    ]
    if measured:
        headers = ("rule", "reason", "measured", "kept is", "")
        made.append(Table(f"{address}: check by check", headers, measured, texts=(1, 3, 4)))
    if explained["not_measured"]:
        notes.append(f"not measured, as a rule's file cannot be read: {explained['not_measured']}")
    if not explained["agree"]:
        notes.append(
            "warning: the checks, measured now, do not give what the folder states: it was made by another "
            "version, or with other files of a rule"
        )
    return made, notes


def _changes(before: str, after: str) -> list[tuple[str]]:
    """List the lines that went and came, the first few of them."""
    lines = difflib.unified_diff(before.split("\n"), after.split("\n"), n=0, lineterm="")
    changed = [line for line in lines if not line.startswith(("---", "+++", "@@"))]
    more = [f"… {len(changed) - MOST_CHANGES:,} more lines"] if len(changed) > MOST_CHANGES else []
    return [(line[:160],) for line in [*changed[:MOST_CHANGES], *more]]


def _measured(finding: Mapping[str, Any]) -> str:
    return f"measured {_found(finding)}"


def _found(finding: Mapping[str, Any]) -> str:
    detail = f" ({finding['detail']})" if finding.get("detail") else ""
    return number(finding["value"]) + detail
