"""A plan as one page for people: the same figures as its tables, with the memory drawn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from prepcore.report.charts import bar
from prepcore.report.html_table import html_table
from prepcore.report.inert import inert
from prepcore.report.reasons import size
from prepcore.report.shell import STYLE, document
from trainer.flops import flops_in_words
from trainer.plan import tables
from trainer.plan.memory import PARTS
from trainer.report.words import count, sentence

_STYLE = STYLE + Path(__file__).with_name("page.css").read_text(encoding="utf-8")

Facts = dict[str, Any]


def page(facts: Facts) -> str:
    """Lay a plan out."""
    body = "\n".join(
        [
            _head(facts),
            _reverse(facts),
            _memory(facts),
            _section(
                "Recomputing, and the way of the loss",
                "What a layer keeps of a micro-batch can be computed again instead, and the logits can exist "
                "a chunk at a time. Both are shown at their own fullest.",
                html_table(tables.variant_headers(facts), tables.variant_rows(facts), numbers=range(1, 5)),
            ),
            _data(facts),
            _machines(facts),
            _advice(facts),
            _model(facts),
            _notes(facts),
        ]
    )
    return document("Plan of a run", body, style=_STYLE)


def _head(facts: Facts) -> str:
    tiles = "".join(
        f'<div class="tile">{inert(name)}<b>{inert(value)}</b><span class="soft">{inert(below)}</span></div>'
        for name, value, below in _tiles(facts)
    )
    return (
        f'<header><h1>Plan of a run</h1><p class="soft">{inert(facts["program"])}</p></header>'
        f'<p class="lead">{inert(tables.summary(facts))}.</p><div class="tiles">{tiles}</div>'
    )


def _tiles(facts: Facts) -> Iterable[tuple[str, str, str]]:
    model, run, time, device = (facts[name] for name in ("model", "run", "time", "device"))
    sizes = model["sizes"]
    yield (
        "parameters",
        count(model["parameters"]),
        f"{sizes['layers']} layers, width {sizes['width']:,}",
    )
    rows = f"rows of {model['sequence_length']:,}"
    yield "arithmetic", flops_in_words(model["flops_per_token"]), f"a token, {rows}"
    yield "tokens", count(run["tokens"]), f"{run['tokens_per_parameter']:.3g} a parameter"
    optimal = f"{run['optimal_tokens_per_parameter']:g} a parameter"
    yield "compute-optimal", count(run["optimal_tokens"]), optimal
    fullest = facts["memory"]["strategies"][0]
    yield "memory", size(fullest["total"]), f"one device, {facts['memory']['micro']} rows at a time"
    if time["hours"] is not None:
        yield "hours", f"{time['hours']:,.1f}", f"{device['devices']} x {device['name']}"
    if time["dollars"] is not None:
        yield (
            "dollars",
            f"${time['dollars']:,.0f}",
            f"${device['price']:,.2f} an hour, {device['price_from']}",
        )


def _reverse(facts: Facts) -> str:
    if not facts["reverse"]:
        return ""
    rows = list(tables.reverse_rows(facts))
    options = "".join(f"<code>{inert(last)}</code>" for name, value, last in rows if not name and not value)
    shown = html_table(("", "", ""), [row for row in rows if row[0]], numbers=(1,), header=False)
    return _section(
        "The other way round", "What the budget buys.", f'{shown}<p class="options">{options}</p>'
    )


def _memory(facts: Facts) -> str:
    """Draw the memory of each strategy on one scale, and list it."""
    memory, device = facts["memory"], facts["device"]
    strategies, parts = memory["strategies"], tables.used_parts(facts)
    largest = max(entry["total"] for entry in strategies)
    room = device["available"]
    scale = largest if room is None else max(largest, min(room, 3 * largest))
    drawn = "".join(_holder(entry, parts, scale, title) for entry, title in zip(
        strategies, tables.memory_headers(facts)[1:], strict=True
    ))  # fmt: skip
    legend = "".join(f'<span><i class="is-{PARTS.index(part)}"></i>{inert(part)}</span>' for part in parts)
    micro = f"{memory['micro']} rows of {facts['model']['sequence_length']:,} tokens at a time"
    said = f"{micro}; {tables.computed(facts)}. The fullest moment of a step."
    if room is not None:
        said += (
            f" A bar as wide as the card is {size(scale)}; {size(room)} of a {device['name']} may be used."
        )
    listed = html_table(
        tables.memory_headers(facts), tables.memory_rows(facts), numbers=range(1, len(strategies) + 1)
    )
    return _section(
        "Memory of a device", said, f'<div class="card"><p class="legend">{legend}</p>{drawn}</div>{listed}'
    )


def _holder(entry: Facts, parts: Sequence[str], scale: float, title: str) -> str:
    pieces, start = [], 0.0
    for part in parts:
        width = entry["parts"][part] / scale
        pieces.append((f"part-{PARTS.index(part)}", start, width))
        start += width
    label = f"{title}: " + ", ".join(f"{part} {size(entry['parts'][part])}" for part in parts)
    drawn = bar(pieces, label).replace('class="bar"', 'class="bar memory"', 1)
    return f'<div class="holder"><b>{inert(title)}</b><span>{size(entry["total"])}</span></div>{drawn}'


def _data(facts: Facts) -> str:
    if not facts["data"]:
        return ""
    data = facts["data"]
    headers = ("source", "share", "tokens there", "times in this run", "times if compute-optimal")
    held_out = count(data["validation_tokens"])
    said = f"{data['path']}: {count(data['tokens'])} tokens in whole rows, {held_out} held out."
    return _section("Data", said, html_table(headers, tables.data_rows(facts), numbers=range(1, 5)))


def _machines(facts: Facts) -> str:
    if not facts["machines"]:
        return ""
    device = facts["device"]
    headers = ("GPU", "memory", "peak TFLOP/s", "$ an hour", "largest micro-batch", "hours", "dollars")
    said = (
        f"{device['devices']} of each at {device['mfu']:.0%} of its dense bf16 peak. Prices that were not "
        f"given are round figures of {device['prices_of']}, an assumption."
    )
    sources = "".join(
        f"<dt>{inert(entry['gpu'])}</dt><dd>{inert(entry['memory_from'])}; {inert(entry['peak_from'])}</dd>"
        for entry in facts["machines"]
    )
    more = f"<details><summary>Where the figures come from</summary><dl>{sources}</dl></details>"
    return _section("GPUs", said, html_table(headers, tables.machine_rows(facts), numbers=range(1, 7)) + more)


def _advice(facts: Facts) -> str:
    listed = html_table(("rule", "batch", "rate", ""), tables.advice_rows(facts), numbers=(1, 2))
    formulas = "".join(
        f"<dt>{inert(entry['rule'])}</dt><dd>{inert(entry['formula'])}</dd>"
        for entry in facts["advice"]["suggestions"]
    )
    said = "Tokens a step and peak learning rate. " + " ".join(
        sentence(line) for line in tables.advice_notes(facts)
    )
    return _section(
        "Batch and learning rate in the literature",
        said,
        f"{listed}<details><summary>Formulas</summary><dl>{formulas}</dl></details>",
    )


def _model(facts: Facts) -> str:
    shown = tables.tables(facts)[:2]
    cells = [row for table in shown for row in table.rows]
    return _section("Model and run", "", html_table(("", "", ""), cells, numbers=(1,), header=False))


def _notes(facts: Facts) -> str:
    rest = [line.removeprefix("note: ") for line in tables.notes(facts)]
    rest = [line for line in rest if line not in tables.advice_notes(facts)]
    items = "".join(f"<p>{inert(sentence(line))}</p>" for line in rest)
    return f"<section><h2>Notes</h2>{items}</section>" if items else ""


def _section(title: str, said: str, inside: str) -> str:
    soft = f'<p class="soft">{inert(said)}</p>' if said else ""
    return f"<section><h2>{inert(title)}</h2>{soft}{inside}</section>"
