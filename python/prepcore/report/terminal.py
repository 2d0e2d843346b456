"""The report of one folder, or of two side by side, as tables for the terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from prepcore.report.reasons import in_order, share, size, wanted
from prepcore.report.table import Table
from prepcore.report.throughput import speeds, stages

Facts = Mapping[str, Any]


def tables(facts: Facts) -> list[Table]:
    """Lay out what `prepcore.report.facts.counted` returns."""
    made = [_waterfall(facts)]
    if facts["rewritten"]:
        rows = [(kind, f"{count:,}") for kind, count in facts["rewritten"].items()]
        made.append(Table("rewritten in the documents kept", ("what", "times"), rows))
    if facts["run"]:
        made.append(Table("time", ("", ""), speeds(facts["run"]), texts=(1,)))
        by_stage = [(name, f"{seconds:,.2f} s", part) for name, seconds, part in stages(facts["run"])]
        made.append(Table("time by stage, all threads together", ("stage", "seconds", "share"), by_stage))
    return made


def _waterfall(facts: Facts) -> Table:
    read = facts["read"]
    rows = [("read", f"{read:,}", "", f"{read:,}", "", f"{size(facts['text_bytes'])} of text")]
    if facts["unreadable"]:
        count = facts["unreadable"]
        rows.append(("unreadable", f"-{count:,}", share(count, read), f"{read - count:,}", "", ""))
    for step in facts["waterfall"]:
        check = step["check"]
        rule = check["rule"] if check else ""
        name = f"{rule}: {step['reason']}" if rule and rule != step["reason"] else step["reason"]
        threshold = wanted(check) if check else ""
        rows.append(
            (name, f"-{step['dropped']:,}", share(step["dropped"], read), f"{step['left']:,}", threshold, "")
        )
    kept = facts["kept"]
    rows.append(("kept", f"{kept:,}", share(kept, read), "", "", f"{size(facts['kept_text_bytes'])} of text"))
    headers = ("documents", "count", "share", "left", "kept is", "")
    return Table(f"{facts['folder']}: what each rule removed", headers, rows, texts=(4, 5))


def compared(one: Facts, other: Facts) -> list[Table]:
    """Lay two folders out side by side: counts and shares, then what differs."""
    headers = ("documents", "first", "share", "second", "share")
    return [
        Table(
            f"first: {one['folder']}\nsecond: {other['folder']}".replace("\n", "; "),
            headers,
            _counts(one, other),
        ),
        Table("settings that differ", ("setting", "first", "second"), _settings(one, other), texts=(1, 2)),
        Table("time", ("", "first", "second"), _times(one, other)),
    ]


def differences(one: Facts, other: Facts) -> dict[str, Any]:
    """Return both folders' facts, and the settings that differ with their two values."""
    return {"first": dict(one), "second": dict(other), "settings_that_differ": _differing(one, other)}


def _counts(one: Facts, other: Facts) -> list[tuple[str, ...]]:
    dropped = [{step["reason"]: step["dropped"] for step in facts["waterfall"]} for facts in (one, other)]
    rows = [("read", one["read"], other["read"]), ("unreadable", one["unreadable"], other["unreadable"])]
    rows += [
        (reason, dropped[0].get(reason), dropped[1].get(reason))
        for reason in in_order(dropped[0].keys() | dropped[1].keys(), [*one["checks"], *other["checks"]])
    ]
    rows.append(("kept", one["kept"], other["kept"]))
    return [
        (name, *_cells(first, one["read"]), *_cells(second, other["read"])) for name, first, second in rows
    ]


def _cells(count: int | None, read: int) -> tuple[str, str]:
    """Write a count and its share; a hyphen where the folder's settings know no such reason."""
    return ("-", "-") if count is None else (f"{count:,}", share(count, read))


def _differing(one: Facts, other: Facts) -> dict[str, list[Any]]:
    """Return what differs in the settings, the program and the input."""
    names = [*one["settings"], *(name for name in other["settings"] if name not in one["settings"])]
    pairs = {name: [one["settings"].get(name), other["settings"].get(name)] for name in names}
    pairs = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    if one["program"] != other["program"]:
        pairs["program"] = [one["program"], other["program"]]
    inputs = [
        f"{facts['inputs']['files']:,} files, {size(facts['inputs']['bytes'])}" for facts in (one, other)
    ]
    if one["inputs"] != other["inputs"]:
        pairs["input"] = inputs
    return pairs


def _settings(one: Facts, other: Facts) -> list[tuple[str, str, str]]:
    rows = [(name, _value(first), _value(second)) for name, (first, second) in _differing(one, other).items()]
    return rows or [("none", "", "")]


def _times(one: Facts, other: Facts) -> list[tuple[str, str, str]]:
    first, second = dict(speeds(one["run"])), dict(speeds(other["run"]))
    return [(name, first.get(name, "-"), second.get(name, "-")) for name in first | second]


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
