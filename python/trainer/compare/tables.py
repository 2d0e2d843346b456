"""A comparison as tables and sentences for the terminal, 80 columns wide where names are short."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from prepcore.report.table import Table
from trainer.compare.axes import ALONG, duration, operations
from trainer.compare.scores import BEYOND, REFUSED, UNKNOWN, WITHIN
from trainer.report.words import count

Facts = dict[str, Any]

Cells = tuple[str, ...]

WIDTH = 80
"""Columns that most terminals have."""

LONGEST = 400
"""Characters of a continuation that are shown on the terminal; page and ``--json`` have all of it."""

KINDS = {
    "model": "model",
    "training": "training",
    "initialization": "first weights",
    "data": "data",
    "configuration": "configuration",
}
"""What differs, by its name in the facts, in the order in which it is shown."""


def tables(facts: Facts) -> list[Table]:
    """Lay a comparison out."""
    keys = [each["key"] for each in facts["compared"]]
    made = [
        Table("compared", ("", "what", "name"), compared_rows(facts), texts=(1, 2)),
        Table("training", TRAINING, training_rows(facts)),
    ]
    if any(each["final"] for each in facts["compared"]):
        made.append(Table("validation", validation_headers(facts), validation_rows(facts), texts=(6,)))
    if facts["at_equal"]["places"]:
        made.append(Table(equal_title(facts), ("", *equal_places(facts)), equal_rows(facts)))
    if facts["scores"]:
        made.append(Table("scores", SCORES, list(score_rows(facts, shown=True)), texts=(1, 2, 6)))
    made += [
        Table(f"continued: {entry['prompt']}", ("", "step", ""), list(_texts(entry)), texts=(2,))
        for entry in facts["samples"]["prompts"]
    ]
    for kind, title in KINDS.items():
        if facts["differences"][kind]:
            made.append(_differences(f"differences: {title}", facts["differences"][kind], keys))
    return made


def compared_rows(facts: Facts) -> list[Cells]:
    """Return a line for each of what is compared: what its letter stands for."""
    return [(each["key"], what_it_is(each), each["name"]) for each in facts["compared"]]


def what_it_is(each: Facts) -> str:
    """Say what a letter stands for."""
    if each["kind"] == "run":
        return f"run, step {each['step'] or 0:,} of {each['total_steps']:,}" if each["total_steps"] else "run"
    if each["step"] is not None:
        return f"checkpoint, step {each['step']:,}"
    return "model folder"


TRAINING = ("", "parameters", "tokens", "FLOPs", "time", "tokens/s", "loss")
"""Names of the columns of :func:`training_rows`."""


def training_rows(facts: Facts) -> list[Cells]:
    """Return a line for each of what is compared: how much it was trained."""
    return [
        (
            each["key"],
            _written(each["parameters"], count),
            _written(each["tokens"], count),
            _written(each["flops"], operations),
            _written(each["hours"], duration),
            _written(each["tokens_per_second"], "{:,.0f}".format),
            _written(each["training_loss"], "{:.4f}".format),
        )
        for each in facts["compared"]
    ]


def validation_headers(facts: Facts) -> Cells:
    """Name the columns of :func:`validation_rows`."""
    headers = ("", "loss", "perplexity", "bits a byte", "best loss", "at step")
    with_ = [each["comparable"]["with"] for each in facts["compared"] if each["comparable"]]
    return (*headers, f"comparable with {with_[0]}") if len(with_) > 1 else headers


def validation_rows(facts: Facts) -> list[Cells]:
    """Return a line for each of what is compared: what its validations found, and whether they compare."""
    rows: list[Cells] = []
    for each in facts["compared"]:
        final, best, comparable = each["final"] or {}, each["best"] or {}, each["comparable"] or {}
        why = f": {comparable['why']}" if comparable.get("why") else ""
        cells = (
            each["key"],
            _written(final.get("loss"), "{:.4f}".format),
            _written(final.get("perplexity"), "{:,.2f}".format),
            _written(final.get("bits_per_byte"), "{:.4f}".format),
            _written(best.get("loss"), "{:.4f}".format),
            _written(best.get("step"), "{:,}".format),
            f"{comparable.get('what', '-')}{why}",
        )
        rows.append(cells[: len(validation_headers(facts))])
    return rows


def equal_title(facts: Facts) -> str:
    """Name the table of losses at the same places of an axis."""
    return f"{facts['at_equal']['kind']} loss over {ALONG[facts['at_equal']['axis']].name}"


def equal_places(facts: Facts) -> Cells:
    """Write the places of an axis at which losses are read."""
    write = ALONG[facts["at_equal"]["axis"]].write
    return tuple(write(place) for place in facts["at_equal"]["places"])


def equal_rows(facts: Facts) -> list[Cells]:
    """Return a line for each that has losses at the same places."""
    return [
        (key, *(_written(value, "{:.4f}".format) for value in values))
        for key, values in facts["at_equal"]["losses"].items()
    ]


SCORES = ("", "metric", "", "score", "error", "difference", "")
"""Names of the columns of :func:`score_rows`."""


def score_rows(facts: Facts, *, shown: bool) -> Iterator[Cells]:
    """Return a line for each score, each but the first of its task held against one before it.

    Parameters
    ----------
    facts
        The comparison.
    shown
        Whether the metrics that stand for their tasks are wanted, and bits a byte, or all others.
    """
    for row in facts["scores"]:
        if row["shown"] != shown:
            continue
        against = references(row)
        marked = letters(facts, row)
        for place, (key, entry) in enumerate(row["entries"].items()):
            difference = against.get(key)
            first = place == 0
            yield (
                row["name"] if first else "",
                row["metric"] if first else "",
                marked[key],
                score(entry["value"]),
                "-" if entry["stderr"] is None else score(entry["stderr"], entry["value"]),
                signed(difference["difference"], entry["value"]) if difference else "",
                verdict(difference) if difference else "",
            )


def letters(facts: Facts, row: Facts) -> dict[str, str]:
    """Return the letters of a row of scores, with the step where it is not that of the checkpoint."""
    steps = {each["key"]: each["checkpoint_step"] for each in facts["compared"]}
    return {
        key: key if entry["step"] in (None, steps[key]) else f"{key}, step {entry['step']:,}"
        for key, entry in row["entries"].items()
    }


def references(row: Facts) -> dict[str, Facts]:
    """Choose for each score which of its differences is shown: from the first one it is comparable with."""
    chosen: dict[str, Facts] = {}
    for each in row["differences"]:
        before = chosen.get(each["to"])
        if before is None or (before["verdict"] == REFUSED and each["verdict"] != REFUSED):
            chosen[each["to"]] = each
    return chosen


def verdict(difference: Facts) -> str:
    """Say what is to be thought of a difference."""
    if difference["verdict"] == REFUSED:
        return "other settings"
    if difference["verdict"] == UNKNOWN:
        return f"noise unknown ({difference['from']})"
    return f"{difference['verdict']} of {difference['from']}"


def refusals(facts: Facts) -> list[str]:
    """Say which scores are compared with none before them, and why."""
    told: dict[tuple[str, str], tuple[dict[str, None], dict[str, None]]] = {}
    for row in facts["scores"]:
        for each in references(row).values():
            if each["verdict"] == REFUSED:
                others, names = told.setdefault((each["from"], each["why"]), ({}, {}))
                others[each["to"]] = None
                names[row["name"]] = None
    return [
        f"{', '.join(names)} of {' '.join(others)} not compared with {first}: {why}"
        for (first, why), (others, names) in told.items()
    ]


def score(value: float, beside: float | None = None) -> str:
    """Write a score: shares with four digits, figures of another size with two.

    Parameters
    ----------
    value
        The score, its error, or a difference.
    beside
        The score that it belongs to, whose digits it gets.
    """
    return f"{value:.4f}" if abs(value if beside is None else beside) < 10 else f"{value:,.2f}"


def signed(difference: float | None, beside: float) -> str:
    """Write a difference from a score."""
    if difference is None:
        return "-"
    return f"{'+' if difference >= 0 else '-'}{score(abs(difference), beside)}"


def notes(facts: Facts) -> list[str]:
    """Return the sentences below the tables."""
    lines = list(facts["notes"])
    verdicts = {each["verdict"] for row in facts["scores"] for each in row["differences"]}
    if verdicts & {WITHIN, BEYOND}:
        lines.append(
            f"a difference is within noise where {facts['noise_formula']}, s and t the standard errors, as "
            "if they were independent; on the same questions that is cautious"
        )
    lines += refusals(facts)
    if any(each["flops"] for each in facts["compared"]):
        lines.append(f"FLOPs are tokens · ({facts['flops_formula']}), N without the input embedding")
    if any(each["hours"] for each in facts["compared"]):
        lines.append("time is that of training steps; validations, samples and checkpoints are not in it")
    return [f"note: {line}" for line in lines]


def groups(row: Facts, keys: Sequence[str]) -> list[tuple[str, str]]:
    """Return each value of a difference with the letters of those that have it, in order."""
    having: dict[str, list[str]] = {}
    for key in keys:
        if key in row["values"]:
            having.setdefault(row["values"][key], []).append(key)
    return [(value, " ".join(letters)) for value, letters in having.items()]


def _differences(title: str, rows: Sequence[Facts], keys: Sequence[str]) -> Table:
    """Lay differences out with a column for each that is compared, or, where those are too wide, by value."""
    known = [key for key in keys if any(key in row["values"] for row in rows)]
    columns = [(row["name"], *(row["values"].get(key, "-") for key in known)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*columns, strict=True)]
    if sum(widths) + 2 * len(widths) <= WIDTH:
        return Table(title, ("", *known), columns, texts=range(1, len(known) + 1))
    lines: list[Cells] = []
    for row in rows:
        for place, (value, letters) in enumerate(groups(row, keys)):
            name = row["name"] if place == 0 else ""
            pieces = textwrap.wrap(value, 44) or [""]
            lines.append((name, letters, pieces[0]))
            lines += [("", "", piece) for piece in pieces[1:]]
    return Table(title, ("", "", ""), lines, texts=(1, 2))


def _texts(entry: Facts) -> Iterator[Cells]:
    for key, found in entry["continuations"].items():
        text = found["text"].replace("\n", "\\n").replace("\t", "\\t")
        text = text if len(text) <= LONGEST else text[:LONGEST] + " …"
        pieces = textwrap.wrap(text, WIDTH - 16, replace_whitespace=False) or ["(nothing)"]
        yield key, _written(found["step"], "{:,}".format), pieces[0]
        yield from (("", "", piece) for piece in pieces[1:])


def _written(value: Any, write: Any) -> str:
    return "-" if value is None else str(write(value))
