"""A comparison as one page for people: its curves, its tables, its texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prepcore.report.html_table import html_table
from prepcore.report.inert import inert
from prepcore.report.shell import document
from trainer.compare import drawing, tables
from trainer.compare.facts import AXES
from trainer.compare.scores import BEST, REFUSED, WITHIN
from trainer.report.page import PAGE_STYLE
from trainer.report.words import sentence

STYLE = PAGE_STYLE + Path(__file__).with_name("page.css").read_text(encoding="utf-8")

LONGEST_NAME = 24
"""Characters of a name that a table shows; the list of what is compared shows all of it."""

MARKS = {BEST: " ●", WITHIN: " ○", REFUSED: " ✕"}
"""What stands behind a score, by its standing."""

Facts = dict[str, Any]


def page(facts: Facts) -> str:
    """Lay a comparison out."""
    names = ", ".join(each["name"] for each in facts["compared"][:3])
    title = f"Comparison: {names}{', …' if len(facts['compared']) > 3 else ''}"
    body = "\n".join(
        [
            _head(facts),
            _curves(facts),
            _validation(facts),
            _training(facts),
            _scores(facts),
            _samples(facts),
            *(_differences(facts, kind, said) for kind, said in tables.KINDS.items()),
            _notes(facts),
        ]
    )
    return document(title, body, style=STYLE)


def headline(facts: Facts) -> str:
    """Say in a sentence who is ahead, where that can be said."""
    measured = [each for each in facts["compared"] if each["final"]]
    if len(measured) < 2:
        return ""
    verdicts = {each["comparable"]["what"] for each in measured}
    if verdicts == {"yes"}:
        best = min(measured, key=lambda each: each["final"]["loss"])
        figure = f"validation loss at its end, {best['final']['loss']:.4f} nats a token"
    elif verdicts <= {"yes", "bits a byte"} and all(each["final"]["bits_per_byte"] for each in measured):
        best = min(measured, key=lambda each: each["final"]["bits_per_byte"])
        figure = f"bits a byte at its end, {best['final']['bits_per_byte']:.4f}; tokenizers differ"
    else:
        return (
            "The validations are not all of the same text in the same rows, so their losses are not ranked."
        )
    tokens = {each["final"]["tokens"] for each in measured}
    spent = "after as many tokens" if len(tokens) == 1 else "after different numbers of tokens"
    return f"{best['key']} ({best['name']}) has the lowest {figure}, {spent}."


def _head(facts: Facts) -> str:
    lead = headline(facts)
    shown = f'<p class="lead">{inert(lead)}</p>' if lead else ""
    items = "".join(
        f"<li>{drawing.key(place)}<b>{each['key']}</b><span>{inert(each['name'])}"
        f"<small>{inert(tables.what_it_is(each))}"
        f"{inert('' if each['path'].endswith(each['name']) else ' · ' + each['path'])}</small></span></li>"
        for place, each in enumerate(facts["compared"])
    )
    return (
        f'<header><h1>Comparison</h1><p class="soft">{inert(facts["program"])}</p></header>{shown}'
        f'<ul class="keys">{items}</ul>'
    )


def _curves(facts: Facts) -> str:
    panels = drawing.panels(facts, AXES)
    if not panels:
        return ""
    said = (
        '<p class="soft">Nats a token. Training: the mean since the line of the log before, and of long logs '
        "the running mean. Closer: without the first fifth of each. Choose what they are drawn over:</p>"
    )
    return f"<section><h2>Losses</h2>{said}{panels}</section>"


def _validation(facts: Facts) -> str:
    shown = ""
    if any(each["final"] for each in facts["compared"]):
        headers, rows = tables.validation_headers(facts), tables.validation_rows(facts)
        shown = html_table(headers, _named(facts, rows), numbers=range(1, 6))
        shown = _section(
            "Validation",
            "At the end, and at its best. Loss and perplexity compare where tokenizer, text and rows are the "
            "same; bits a byte also between tokenizers.",
            shown,
        )
    if facts["at_equal"]["places"]:
        places = tables.equal_places(facts)
        table = html_table(
            ("", *places), _named(facts, tables.equal_rows(facts)), numbers=range(1, len(places) + 1)
        )
        title = tables.equal_title(facts).capitalize()
        shown += _section(title, "Between two lines of a log it is taken to be straight.", table)
    return shown


def _training(facts: Facts) -> str:
    table = html_table(tables.TRAINING, _named(facts, tables.training_rows(facts)), numbers=range(1, 7))
    return _section("Training", "", table)


def _scores(facts: Facts) -> str:
    """Show the scores in a table, and the differences from the first one below it."""
    if not facts["scores"]:
        return ""
    keys = [
        each["key"]
        for each in facts["compared"]
        if any(each["key"] in row["entries"] for row in facts["scores"])
    ]
    shown_rows = [row for row in facts["scores"] if row["shown"]]
    cells = [(row["name"], row["metric"], *_score_cells(facts, row, keys)) for row in shown_rows]
    several = len(keys) > 1
    said = "Score ± its standard error."
    if several:
        said += (
            " ● is the best of those in a row that were measured alike, ○ is within noise of it, and ✕ was "
            "measured with other settings than most and is not compared."
        )
    shown = html_table(("", "metric", *_columns(facts, keys)), cells, numbers=range(2, 2 + len(keys)))
    for title, wanted in (("Differences", True), ("Other metrics", False)):
        rows = list(tables.score_rows(facts, shown=wanted))
        if rows and (several or not wanted):
            listed = html_table(tables.SCORES, rows, numbers=(3, 4, 5))
            shown += f"<details><summary>{title}</summary>{listed}</details>"
    return _section("Scores", said, shown)


def _score_cells(facts: Facts, row: Facts, keys: Sequence[str]) -> list[str]:
    """Write the scores of a row, each with its mark."""
    marked = tables.letters(facts, row)
    cells = []
    for key in keys:
        if key not in row["entries"]:
            cells.append("-")
            continue
        entry = row["entries"][key]
        error = "" if entry["stderr"] is None else f" ± {tables.score(entry['stderr'], entry['value'])}"
        step = marked[key].removeprefix(key)
        cells.append(f"{tables.score(entry['value'])}{error}{step}{MARKS.get(entry['standing'], '')}")
    return cells


def _samples(facts: Facts) -> str:
    samples = facts["samples"]
    if not samples["prompts"]:
        return ""
    names = {each["key"]: each["name"] for each in facts["compared"]}
    if samples["settings"]:
        how = samples["settings"]
        said = (
            f"Continued for this page by up to {how['max_new_tokens']} tokens, temperature "
            f"{how['temperature']:g}, seed {how['seed']}, the same for all."
        )
    else:
        said = "As the runs have continued them last."
    blocks = []
    for entry in samples["prompts"]:
        examples = "".join(
            f'<div class="example"><div class="where"><b>{letter}</b>{inert(names[letter])}'
            f'<span class="soft">{_step(found)}</span></div>'
            f'<pre><span class="prompt">{inert(entry["prompt"])}</span>{inert(found["text"])}</pre></div>'
            for letter, found in entry["continuations"].items()
        )
        blocks.append(f'<h3>{inert(entry["prompt"])}</h3><div class="samples">{examples}</div>')
    return _section("The same prompts, continued", said, "".join(blocks))


def _step(found: Facts) -> str:
    return "" if found["step"] is None else f", step {found['step']:,}"


def _differences(facts: Facts, kind: str, said: str) -> str:
    """Show what differs, a column for each of those that know of it."""
    rows = facts["differences"][kind]
    if not rows:
        return ""
    keys = [each["key"] for each in facts["compared"] if any(each["key"] in row["values"] for row in rows)]
    cells = [(row["name"], *(row["values"].get(key, "-") for key in keys)) for row in rows]
    table = html_table(("", *_columns(facts, keys)), cells)
    return _section(f"Differences: {said}", "", f'<div class="wide">{table}</div>')


def _notes(facts: Facts) -> str:
    lines = [line.removeprefix("note: ") for line in tables.notes(facts)]
    return _section("Notes", "", "".join(f"<p>{inert(sentence(line))}</p>" for line in lines))


def _columns(facts: Facts, keys: Sequence[str]) -> list[str]:
    return [f"{each['key']} {_short(each['name'])}" for each in facts["compared"] if each["key"] in keys]


def _named(facts: Facts, rows: Sequence[tables.Cells]) -> list[tables.Cells]:
    """Put names behind the letters that rows begin with."""
    names = {each["key"]: each["name"] for each in facts["compared"]}
    return [(f"{row[0]} {_short(names[row[0]])}", *row[1:]) for row in rows]


def _short(name: str) -> str:
    """Shorten a name from the left: paths differ at their ends."""
    return name if len(name) <= LONGEST_NAME else f"…{name[1 - LONGEST_NAME :]}"


def _section(title: str, said: str, inside: str) -> str:
    soft = f'<p class="soft">{inert(said)}</p>' if said else ""
    return f"<section><h2>{inert(title)}</h2>{soft}{inside}</section>" if inside else ""
