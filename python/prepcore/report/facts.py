"""What a report states, gathered from a cleaned folder with bounded reading, for every form of it."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from prepcore import engine
from prepcore.arguments import UsageError
from prepcore.report import histogram
from prepcore.report.folder import CleanedFolder
from prepcore.report.reasons import in_order

T = TypeVar("T")

EXAMPLES = 3
"""Dropped documents shown for each reason: the first ones, since rows early in a file cost least."""

LOOK_UP_BYTES = 64 << 20
"""Bytes of the input, all files together, after which no more examples are read; 8 MiB are read at once."""

KEPT_SAMPLE = 256
"""Kept documents that are measured again for the histograms."""

LONGEST_MEASURED = 1 << 20
"""Characters of a kept document that is measured again, at the most."""

EXCERPT = 700
"""Characters of a document that are shown."""

INPUTS_SHOWN = 20
"""Files of the input that are listed."""

UNREADABLE_SHOWN = 8
"""Lines of ``unreadable.jsonl`` that are listed."""


def counted(folder: CleanedFolder) -> dict[str, Any]:
    """Return what the manifest and ``run.json`` state; reads nothing else.

    Returns
    -------
    dict
        ``folder``, ``program``, ``read``, ``kept``, ``unreadable``, ``waterfall`` (by reason in order, with
        ``dropped`` and what was ``left``), ``rewritten``, ``checks``, ``settings``, ``inputs``, ``run``.
    """
    counts, configuration = folder.counts, folder.manifest["configuration"]
    rule_of = {check["reason"]: check for check in folder.checks if "wanted" in check}
    left = counts["documents"] - counts["unreadable"]
    waterfall = []
    for reason in in_order(counts["dropped"], folder.checks):
        dropped = counts["dropped"][reason]
        left -= dropped
        check = rule_of.get(reason)
        waterfall.append({"reason": reason, "check": check, "dropped": dropped, "left": left})
    inputs = folder.manifest["inputs"]
    return {
        "folder": str(folder.path),
        "program": folder.manifest["program"],
        "read": counts["documents"],
        "kept": counts["kept"],
        "unreadable": counts["unreadable"],
        "text_bytes": counts["text_bytes"],
        "kept_text_bytes": counts["kept_text_bytes"],
        "waterfall": waterfall,
        "rewritten": dict(counts.get("rewritten", {})),
        "checks": folder.checks,
        "settings": dict(flattened(configuration)),
        "inputs": {
            "files": len(inputs),
            "bytes": sum(entry["size"] for entry in inputs),
            "first": [
                {name: entry[name] for name in ("path", "kind", "size", "rows")}
                for entry in inputs[:INPUTS_SHOWN]
            ],
        },
        "run": dict(folder.run),
        "covers": covers(folder),
    }


def gathered(folder: CleanedFolder) -> dict[str, Any]:
    """Return `counted`, and what is read of the ledger, of kept documents and of examples.

    Returns
    -------
    dict
        That of `counted`, with ``about`` (what each rule is), ``ledger`` (how much of it was read),
        ``not_measured`` (why some rules measured no kept document, or None),
        ``measured`` (a histogram by reason), ``labels`` (how often each was found, by reason),
        ``examples`` (by reason), ``unreadable_rows``, ``defaults`` (the settings' default values).
    """
    facts = counted(folder)
    # Measuring kept documents takes as long as reading dropped ones, and neither needs Python meanwhile.
    kept = _Beside(lambda: _examined_kept(folder))
    ledger = folder.ledger(examples=EXAMPLES)
    facts["examples"] = _examples(folder, ledger)
    examined = kept.result()
    core = engine.core()
    facts["about"] = json.loads(core.about_rules())
    facts["defaults"] = dict(flattened(json.loads(core.default_configuration("clean"))))
    facts["ledger"] = {name: ledger[name] for name in ("parts", "parts_read", "rows", "rows_read")}
    facts["kept_measured"] = len(examined)
    facts["not_measured"] = folder.examiner.missing
    facts["measured"] = _histograms(folder, ledger, examined)
    facts["labels"] = _labels(folder, ledger, examined)
    facts["unreadable_rows"] = _unreadable(folder)
    return facts


class _Beside(Generic[T]):
    """A call in a thread of its own, without what `concurrent.futures` costs to import."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._result = self._call()
        except BaseException as error:
            self._error = error

    def result(self) -> T:
        """Wait for the call; return what it returned, raise what it raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._result


def flattened(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """List nested settings by their names as options have them: ``rules.short-lines.min-lines``."""
    listed: list[tuple[str, Any]] = []
    for key, value in settings.items():
        name = f"{prefix}{key.replace('_', '-')}"
        listed += flattened(value, f"{name}.") if isinstance(value, dict) and value else [(name, value)]
    return listed


def covers(folder: CleanedFolder) -> str:
    """Say in a sentence what the counts and the times are those of."""
    run = folder.run
    interruptions, parts = run.get("interruptions", 0), run.get("parts", {})
    if not run:
        return "The counts cover the whole input; run.json, which holds the times, is not there."
    if not interruptions and not parts.get("found_finished"):
        return "Counts and times cover the whole input: one process did it without a stop."
    times = f"{interruptions:,} time" if interruptions == 1 else f"{interruptions:,} times"
    return (
        f"The counts cover the whole input. The work was interrupted {times} and gone on with, or shared by "
        f"several processes: the one that finished it found {parts.get('found_finished', 0):,} parts "
        f"finished and wrote {parts.get('written', 0):,}; times and speeds are those of that process alone."
    )


def _examined_kept(folder: CleanedFolder) -> list[dict[str, Any]]:
    """Measure a sample of the kept documents again."""
    texts = [entry["text"] for entry in folder.kept(KEPT_SAMPLE, 0)]
    return folder.examine([text for text in texts if len(text) <= LONGEST_MEASURED])


def _histograms(
    folder: CleanedFolder, ledger: Mapping[str, Any], examined: list[dict[str, Any]]
) -> dict[str, Any]:
    """Draw up a histogram for each check with a number as its threshold that has dropped something."""
    drawn = {}
    for check in folder.checks:
        dropped = ledger["reasons"].get(check["reason"], {}).get("values", [])
        if check.get("wanted", "one_of") == "one_of" or not dropped:
            continue
        kept = [found["value"] for found in _found(check, examined)]
        drawn[check["reason"]] = histogram.of(check, dropped, kept)
    return drawn


def _labels(
    folder: CleanedFolder, ledger: Mapping[str, Any], examined: list[dict[str, Any]]
) -> dict[str, list[dict[str, Any]]]:
    """Count labels: in the dropped documents that were read, and in the kept ones that were measured."""
    tables = {}
    for check in (check for check in folder.checks if "wanted" in check):
        dropped = dict(ledger["reasons"].get(check["reason"], {}).get("details", {}))
        kept: dict[str, int] = {}
        for found in _found(check, examined):
            if found["detail"] is not None:
                kept[found["detail"]] = kept.get(found["detail"], 0) + 1
        if len(dropped.keys() | kept.keys()) > 1 or check["wanted"] == "one_of":
            rows = [
                {"label": label, "dropped": dropped.get(label, 0), "kept": kept.get(label, 0)}
                for label in dropped.keys() | kept.keys()
            ]
            tables[check["reason"]] = sorted(
                rows, key=lambda row: (-row["dropped"] - row["kept"], row["label"])
            )
    return tables


def _found(check: Mapping[str, Any], examined: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what was found for a check in each of the kept documents that were measured."""
    of_all = (found for document in examined for found in document["checks"])
    return [found for found in of_all if found["reason"] == check["reason"]]


def _examples(folder: CleanedFolder, ledger: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Read the first dropped documents of each reason back from the input."""
    examples = {reason: [dict(entry) for entry in of["examples"]] for reason, of in ledger["reasons"].items()}
    wanted: dict[int, list[dict[str, Any]]] = {}
    for entry in itertools.chain.from_iterable(examples.values()):
        entry["file"] = folder.name(entry["source"])
        if entry["twin_source"] is not None:
            entry["twin_file"] = folder.name(entry["twin_source"])
        wanted.setdefault(entry["source"], []).append(entry)
    for source, entries in wanted.items():
        attach_texts(folder, source, entries, LOOK_UP_BYTES // len(wanted))
    for entry in itertools.chain.from_iterable(examples.values()):
        text = entry.pop("text")
        entry["excerpt"] = None if text is None else text[:EXCERPT]
        entry["characters"] = None if text is None else len(text)
    return examples


def attach_texts(
    folder: CleanedFolder, source: int, entries: list[dict[str, Any]], most_bytes: int | None
) -> None:
    """Give each entry its ``text``, or None and why it is ``missing``.

    The text is that which ``--keep-dropped`` has kept, else the row of the input.
    """
    of_ledger = folder.dropped_texts([(source, entry["row"]) for entry in entries])
    found: dict[int, dict[str, Any]] = {
        row: {"found": "text", "text": text} for (_, row), text in of_ledger.items()
    }
    missing = ""
    rows = [entry["row"] for entry in entries if entry["row"] not in found]
    try:
        found |= folder.rows(source, rows, most_bytes) if rows else {}
    except (engine.core().PrepcoreError, UsageError) as error:
        # The report is about the folder: what has become of the input since takes only its examples away.
        missing = str(error).partition("\n")[0]
    for entry in entries:
        what = found.get(entry["row"], {"found": ""})
        entry["text"] = what.get("text")
        if entry["text"] is None:
            entry["missing"] = missing or _MISSING.get(what["found"], what.get("error", what["found"]))


_MISSING = {
    "not_read": "it lies further into its file than is read for this",
    "beyond": "the file has fewer rows",
    "blank": "the line is empty",
}


def _unreadable(folder: CleanedFolder) -> list[dict[str, Any]]:
    """Read the first lines of ``unreadable.jsonl``."""
    if not folder.counts["unreadable"]:
        return []
    with (folder.path / "unreadable.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in itertools.islice(lines, UNREADABLE_SHOWN)]
