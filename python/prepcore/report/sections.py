"""The sections of the page, one function each, in the order in which a reader asks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from prepcore.report.charts import bar, histogram_chart
from prepcore.report.html_table import html_table
from prepcore.report.inert import inert, prose
from prepcore.report.reasons import WITHOUT_CHECK, missed, number, share, size, wanted
from prepcore.report.throughput import speeds, stages

Facts = Mapping[str, Any]

_MINUS = "\N{MINUS SIGN}"


def head(facts: Facts, title: str) -> str:
    """Say the outcome in two sentences and four numbers."""
    read, kept = facts["read"], facts["kept"]
    dropped = sum(step["dropped"] for step in facts["waterfall"])
    lead = f"Of {read:,} documents {kept:,} were kept ({share(kept, read)})."
    most = max(facts["waterfall"], key=lambda step: step["dropped"], default=None)
    if most and most["dropped"]:
        lead += (
            f" Most went for <code>{inert(most['reason'])}</code>: {most['dropped']:,} "
            f"({share(most['dropped'], read)}): {prose(_why(most, facts))}."
        )
    tiles = [
        ("", "read", f"{read:,}", f"{size(facts['text_bytes'])} of text"),
        ("kept", "kept", f"{kept:,}", f"{size(facts['kept_text_bytes'])} of text"),
        ("dropped", "dropped", f"{dropped:,}", share(dropped, read)),
        ("", "unreadable", f"{facts['unreadable']:,}", share(facts["unreadable"], read)),
    ]
    boxes = "".join(
        f'<div class="tile {kind}">{name}<b>{count}</b><span class="soft">{inert(below)}</span></div>'
        for kind, name, count, below in tiles
    )
    return (
        f"<header><h1>{inert(title)}</h1>"
        f'<p class="soft">{inert(facts["folder"])} · {inert(facts["program"])}</p></header>'
        f'<p class="lead">{lead}</p><div class="tiles">{boxes}</div>'
        f'<p class="note">{inert(facts["covers"])}</p>'
    )


def waterfall(facts: Facts) -> str:
    """Draw what each reason took away, in the order in which documents meet them."""
    read = facts["read"]
    whole = read or 1
    items = [_step("read", "", f"{read:,}", "", [("kept-bar", 0.0, 1.0 if read else 0.0)])]
    left = read - facts["unreadable"]
    if facts["unreadable"]:
        pieces = [
            ("left-bar", 0.0, left / whole),
            ("unreadable-bar", left / whole, facts["unreadable"] / whole),
        ]
        items.append(
            _step(
                "unreadable", "", f"{_MINUS}{facts['unreadable']:,}", share(facts["unreadable"], read), pieces
            )
        )
    for step in facts["waterfall"]:
        if not step["dropped"]:
            continue
        below = f"kept: {wanted(step['check'])}" if step["check"] else ""
        pieces = [
            ("left-bar", 0.0, step["left"] / whole),
            ("dropped-bar", step["left"] / whole, step["dropped"] / whole),
        ]
        items.append(
            _step(step["reason"], below, f"{_MINUS}{step['dropped']:,}", share(step["dropped"], read), pieces)
        )
    items.append(
        _step(
            "kept",
            "",
            f"{facts['kept']:,}",
            share(facts["kept"], read),
            [("kept-bar", 0.0, facts["kept"] / whole)],
        )
    )
    nothing = [step["reason"] for step in facts["waterfall"] if not step["dropped"]]
    note = f'<p class="note">No document went for: {inert(", ".join(nothing))}.</p>' if nothing else ""
    return (
        "<section><h2>What each rule removed</h2>"
        '<p class="soft">From top to bottom as the documents met the rules; the first that a document fails '
        "is the one that counts.</p>"
        f'<div class="card"><ol class="steps">{"".join(items)}</ol></div>{note}</section>'
    )


def _step(name: str, below: str, count: str, part: str, pieces: Sequence[tuple[str, float, float]]) -> str:
    small = f"<small>{inert(below)}</small>" if below else ""
    of_all = f"<small>{part}</small>" if part else ""
    return (
        f'<li><div class="name">{inert(name)}{small}</div>'
        f'<div class="bar-cell">{bar(pieces, f"{name}: {count} {part}")}</div>'
        f'<div class="count">{count}{of_all}</div></li>'
    )


def reasons(facts: Facts) -> str:
    """Show for each reason what was measured, where the threshold lies, and some of the documents."""
    cards = "".join(_reason(step, facts) for step in facts["waterfall"] if step["dropped"])
    if not cards:
        return ""
    ledger = facts["ledger"]
    note = (
        f"Histograms: {ledger['rows_read']:,} of the {ledger['rows']:,} dropped documents (from "
        f"{ledger['parts_read']:,} of {ledger['parts']:,} parts) and {facts['kept_measured']:,} kept ones, "
        "measured again. Each colour's bars add up to 100%."
    )
    if facts["not_measured"]:
        note += f" Rules that read a file measured none of the kept: {inert(facts['not_measured'])}."
    return f'<section><h2>Why documents went</h2><p class="note">{note}</p>{cards}</section>'


def _reason(step: Mapping[str, Any], facts: Facts) -> str:
    reason, check = step["reason"], step["check"]
    rule = f" · rule <code>{inert(check['rule'])}</code>" if check else ""
    parts = [
        '<div class="reason-head">'
        f'<h3><code>{inert(reason)}</code><span class="soft">{rule}</span></h3>'
        f'<span class="count">{step["dropped"]:,} documents, {share(step["dropped"], facts["read"])}</span>'
        "</div>",
        f"<p>{prose(_capital(_why(step, facts)))}.</p>",
    ]
    measured = facts["measured"].get(reason)
    if measured and check:
        parts.append(
            f'<figure>{histogram_chart(check, measured)}<figcaption class="legend">'
            '<span><i class="of-dropped"></i>dropped for this</span><span><i class="of-kept"></i>kept</span>'
            f"{' logarithmic axis' if measured['scale'] == 'log' else ''}</figcaption></figure>"
        )
    labels = facts["labels"].get(reason)
    if labels:
        rows = [(row["label"], f"{row['dropped']:,}", f"{row['kept']:,}") for row in labels[:20]]
        parts.append(
            html_table(("label", "dropped, of those read", "kept, of those measured"), rows, numbers=(1, 2))
        )
    shown = facts["examples"].get(reason, [])
    if shown:
        parts.append(f'<div class="examples">{"".join(_example(entry) for entry in shown)}</div>')
    else:
        parts.append('<p class="note">No example lies in the part of the ledger that was read.</p>')
    return f'<div class="card">{"".join(parts)}</div>'


def _why(step: Mapping[str, Any], facts: Facts) -> str:
    """Say in words what a document did that went for a reason."""
    check = step["check"]
    if not check:
        return WITHOUT_CHECK.get(step["reason"], "of a rule that this version does not know")
    about = next((entry for entry in facts["about"] if entry["name"] == check["rule"]), None)
    return missed(check) + (f". The rule: {about['summary']}" if about else "")


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _example(entry: Mapping[str, Any]) -> str:
    where = f"<code>{inert(entry['file'])}</code> row {entry['row']}"
    lines = [where]
    if entry["value"] is not None:
        found = number(entry["value"]) + (f" ({entry['detail']})" if entry["detail"] else "")
        limit = "" if entry["threshold"] is None else f", threshold {number(entry['threshold'])}"
        lines.append(f"measured <b>{inert(found)}</b>{limit}")
    elif entry["detail"]:
        lines.append(inert(entry["detail"]))
    if entry["twin_row"] is not None:
        twin = entry.get("twin_file") or entry["detail"] or ""
        lines.append(f"same as <code>{inert(twin)}</code> row {entry['twin_row']}")
    if entry["excerpt"] is None:
        text = f'<p class="where soft">The text was not read: {inert(entry["missing"])}.</p>'
    else:
        cut = entry["characters"] - len(entry["excerpt"])
        more = f'\n<span class="soft">… {cut:,} more characters</span>' if cut else ""
        text = f"<pre>{inert(entry['excerpt'])}{more}</pre>"
    return f'<div class="example"><div class="where">{"<br>".join(lines)}</div>{text}</div>'


def rewritten(facts: Facts) -> str:
    """List what was changed in the documents kept."""
    rows = [(kind, f"{count:,}") for kind, count in facts["rewritten"].items()]
    if not rows:
        return ""
    table = html_table(("what", "times"), rows, numbers=(1,))
    return f"<section><h2>What was rewritten in the documents kept</h2>{table}</section>"


def unreadable(facts: Facts) -> str:
    """List the first rows that could not be read."""
    if not facts["unreadable"]:
        return ""
    rows = [(line["file"], f"{line['row']}", line["error"]) for line in facts["unreadable_rows"]]
    table = html_table(("file", "row", "what was wrong"), rows, numbers=(1,))
    count = facts["unreadable"]
    note = f"The first {len(rows):,} entries; <code>unreadable.jsonl</code> names all {count:,} rows."
    return f'<section><h2>What could not be read</h2><p class="note">{note}</p>{table}</section>'


def throughput(facts: Facts) -> str:
    """Say how fast it went and where the time went."""
    if not facts["run"]:
        return ""
    speed = html_table(("", ""), speeds(facts["run"]), header=False)
    rows = [(name, f"{seconds:,.2f}", part) for name, seconds, part in stages(facts["run"])]
    table = html_table(("stage", "seconds, all threads together", "share"), rows, numbers=(1, 2))
    return f"<section><h2>Time</h2>{speed}<details><summary>By stage</summary>{table}</details></section>"


def rules(facts: Facts) -> str:
    """Say of each rule what it is and why it is there."""
    on = {check["rule"] for check in facts["checks"]} | {
        kind.partition(".")[0] for kind in facts["rewritten"]
    }
    entries = [entry for entry in facts["about"] if entry["name"] in on]
    told = "".join(
        f"<dt><code>{inert(entry['name'])}</code>: {prose(entry['summary'])}</dt>"
        f"<dd>{prose(entry['what'])}</dd>"
        f'<dd class="soft">Why: {prose(entry["why"])}</dd>'
        f'<dd class="soft">Default and its source: {prose(entry["default"])}</dd>'
        for entry in entries
    )
    return f"<section><h2>The rules</h2><dl>{told}</dl></section>" if told else ""


def settings(facts: Facts) -> str:
    """List the settings, those that are not the default in bold."""
    rows: list[tuple[str, str, str]] = []
    changed = set()
    for name, value in facts["settings"].items():
        default = facts["defaults"].get(name, value)
        if value != default:
            changed.add(len(rows))
        rows.append((name, _value(value), "" if value == default else _value(default)))
    table = html_table(("setting", "value", "default, where it is another"), rows, marked=changed)
    shown = f"<details><summary>{len(rows)} settings</summary>{table}</details>"
    return f"<section><h2>Settings</h2>{shown}</section>"


def inputs(facts: Facts) -> str:
    """List the files of the input."""
    listed = facts["inputs"]
    rows = [
        (entry["path"], entry["kind"], size(entry["size"]), f"{entry['rows']:,}") for entry in listed["first"]
    ]
    more = listed["files"] - len(rows)
    note = f'<p class="note">and {more:,} more, which <code>manifest.json</code> names</p>' if more else ""
    table = html_table(("file", "kind", "size", "rows"), rows, numbers=(2, 3))
    files = "1 file" if listed["files"] == 1 else f"{listed['files']:,} files"
    return f"<section><h2>Input: {files}, {size(listed['bytes'])}</h2>{table}{note}</section>"


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
