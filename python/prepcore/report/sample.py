"""Some of the documents that a reason has dropped, or that were kept, drawn evenly from what is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from prepcore.arguments import UsageError
from prepcore.arguments.errors import nearest
from prepcore.report.facts import attach_texts
from prepcore.report.folder import CleanedFolder
from prepcore.report.reasons import number

LEDGER_PARTS, LEDGER_ROWS = 256, 1 << 23
"""Parts and rows of the ledger from which dropped documents are drawn, at the most."""

LOOK_UP_BYTES = 1 << 30
"""Bytes of the input (decompressed), all files together, after which texts are no more read back."""


def dropped(folder: CleanedFolder, reason: str, count: int, seed: int) -> list[dict[str, Any]]:
    """Draw documents that were dropped for a reason, in the order of the input.

    Returns
    -------
    list
        ``file``, ``row``, ``reason``, ``value``, ``threshold``, ``detail``, ``twin`` (its ``file`` and
        ``row``, or None) and ``text``; where the text is None, why it is ``missing``.

    Raises
    ------
    UsageError
        For a reason that no document was dropped for.
    """
    counts = folder.counts["dropped"]
    if not counts.get(reason):
        _refuse(reason, counts)
    ledger = folder.ledger(
        parts=LEDGER_PARTS, rows=LEDGER_ROWS, values=1, examples=count, seed=seed, reason=reason
    )
    entries = ledger["reasons"].get(reason, {}).get("examples", [])
    by_source: dict[int, list[dict[str, Any]]] = {}
    for entry in entries:
        by_source.setdefault(entry["source"], []).append(entry)
    for source, of_file in by_source.items():
        attach_texts(folder, source, of_file, LOOK_UP_BYTES // len(by_source))
    return [_told(folder, entry) for entry in entries]


def kept(folder: CleanedFolder, count: int, seed: int) -> list[dict[str, Any]]:
    """Draw kept documents, as they were written: ``file`` and ``row`` in the input, and ``text``."""
    drawn = folder.kept(count, seed)
    return [
        {"file": folder.name(entry["source"]), "row": entry["row"], "text": entry["text"]} for entry in drawn
    ]


def _refuse(reason: str, counts: Mapping[str, int]) -> None:
    there = [name for name, count in counts.items() if count]
    if reason in counts:
        raise UsageError(
            f"--reason: no document was dropped for {reason}",
            f"there are {', '.join(there)}" if there else "no document was dropped at all",
        )
    guess = nearest(reason, there)
    hint = f"did you mean {guess}?" if guess else f"there are {', '.join(there) or 'none'}"
    raise UsageError(f"--reason: {reason!r} is not a reason of this folder", hint)


def _told(folder: CleanedFolder, entry: Mapping[str, Any]) -> dict[str, Any]:
    twin = None
    if entry["twin_row"] is not None:
        file = entry["detail"] if entry["twin_source"] is None else folder.name(entry["twin_source"])
        twin = {"file": file, "row": entry["twin_row"]}
    told = {"file": folder.name(entry["source"]), "row": entry["row"]}
    told |= {name: entry[name] for name in ("reason", "value", "threshold", "detail")}
    told |= {"twin": twin, "text": entry["text"]}
    return told if entry["text"] is not None else {**told, "missing": entry["missing"]}


def lines(documents: list[dict[str, Any]]) -> Iterator[str]:
    """Lay documents out for people: a line of what is known, the text, an empty line."""
    for document in documents:
        head = f"── {document['file']} row {document['row']}"
        if document.get("reason"):
            head += f": {document['reason']}"
        if document.get("value") is not None:
            threshold = (
                "" if document["threshold"] is None else f", threshold {number(document['threshold'])}"
            )
            head += f", measured {number(document['value'])}{threshold}"
        if document.get("detail"):
            head += f" ({document['detail']})"
        if document.get("twin"):
            head += f", same as {document['twin']['file']} row {document['twin']['row']}"
        yield head
        yield document["text"] if document["text"] is not None else f"(not read: {document['missing']})"
        yield ""
