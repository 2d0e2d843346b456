"""The sections of the page of a run that tell how it goes, one function each, in the order of a reader."""

from __future__ import annotations

from typing import Any

from prepcore.report.html_table import html_table
from prepcore.report.inert import inert
from prepcore.report.reasons import number
from trainer.flops import flops_in_words
from trainer.report.charts import Curve, curves_chart, short
from trainer.report.facts import RunFacts
from trainer.report.words import LISTED, count, figure

CLOSER_FROM = 20
"""Lines of the log from which the second half of the loss has its own chart: the first fall hides it."""


def head(facts: RunFacts, title: str) -> str:
    """Say in a sentence where the run stands, and in a few numbers how it is going."""
    boxes = "".join(
        f'<div class="tile">{inert(name)}<b>{inert(value)}</b><span class="soft">{inert(below)}</span></div>'
        for name, value, below in _tiles(facts)
    )
    about = facts.about
    versions = ", ".join(f"{name} {found}" for name, found in about.get("versions", {}).items())
    made_by = " · ".join(str(part) for part in (facts.path, about.get("program"), versions) if part)
    return (
        f'<header><h1>{inert(title)}</h1><p class="soft">{inert(made_by)}</p></header>'
        f'<p class="lead">{inert(headline(facts))}</p><div class="tiles">{boxes}</div>'
    )


def headline(facts: RunFacts) -> str:
    """Say in a sentence or two what became of the run so far."""
    step, total = facts.step, facts.total_steps
    done = f"All {total:,} steps are done" if step >= total else f"{step:,} of {total:,} steps are done"
    if facts.tokens:
        done += f" ({count(facts.tokens)} tokens)"
    validation, training = facts.column("validation_loss"), facts.column("loss")
    if validation:
        where, (at, loss) = "on text held out", validation[-1]
        begun = validation[0]
    elif training:
        where, (at, loss) = "on the training data", training[-1]
        begun = training[0]
    else:
        return f"{done}; nothing has been measured yet."
    sentence = f"{done}; the loss {where} is {loss:.3f} nats a token"
    more = []
    if validation:
        perplexity, bits = facts.column("perplexity"), facts.column("bits_per_byte")
        more += [f"perplexity {perplexity[-1][1]:,.1f}"] if perplexity else []
        more += [f"{bits[-1][1]:.3f} bits a byte"] if bits else []
    sentence += f" ({', '.join(more)})" if more else ""
    sentence += f" after step {at:,}" if at != step else ""
    if begun[0] == at:
        return f"{sentence}."
    then = f"after step {begun[0]:,}" if begun[0] else "before the first step"
    return f"{sentence}, from {begun[1]:.3f} {then}."


def _tiles(facts: RunFacts) -> list[tuple[str, str, str]]:
    about = facts.about
    tiles = []
    if about:
        below = f"{about['sizes']['layers']} layers, width {about['sizes']['width']:,}"
        if about["trained_parameters"] < about["parameters"]:
            below += f"; {count(about['trained_parameters'])} trained"
        tiles.append(("parameters", count(about["parameters"]), below))
        a_parameter = f"{facts.tokens / about['parameters']:.2g} a parameter"
        tiles.append(("tokens seen", count(facts.tokens), a_parameter))
    for name, column, below in (
        ("validation loss", "validation_loss", "nats a token"),
        ("perplexity", "perplexity", "a token"),
        ("bits a byte", "bits_per_byte", "whatever the tokenizer"),
    ):
        points = facts.column(column)
        if points:
            best = min(points, key=lambda point: point[1])
            note = below if best == points[-1] else f"best {best[1]:.4g}, step {best[0]:,}"
            tiles.append((name, f"{points[-1][1]:.4g}", note))
    speeds = [value for _, value in facts.column("tokens_per_second")]
    if speeds:
        median = sorted(speeds)[len(speeds) // 2]
        tiles.append(("tokens a second", f"{median:,.0f}", _used(facts, median)))
    return tiles


def _used(facts: RunFacts, tokens_per_second: float) -> str:
    """Say what share of the device is used, or what is achieved where its peak is not known."""
    flops, peak = facts.about.get("flops_per_token"), facts.about.get("peak_tflops")
    if not flops:
        return "median"
    achieved = tokens_per_second * flops / 1e12
    return f"MFU {achieved / peak:.1%}" if peak else f"{achieved:.3g} TFLOP/s"


def losses(facts: RunFacts) -> str:
    """Draw the loss, and its second half closer."""
    training, validation = facts.column("loss"), facts.column("validation_loss")
    if not training and not validation:
        return ""
    last = facts.step
    charts = [_loss_chart("the loss", training, validation, 0, last)]
    half = last // 2
    late, late_validation = (
        [point for point in points if point[0] >= half] for points in (training, validation)
    )
    closer = ""
    if len(training) >= CLOSER_FROM and len(late) > 1:
        charts.append(_loss_chart("the loss in the second half", late, late_validation, half, last))
        closer = f"<h3>The second half, closer</h3>{charts[1]}"
    return (
        '<section><h2>Loss</h2><p class="soft">Nats a token; training: the mean since the line before; '
        "validation: on documents held out.</p>"
        f'<div class="card">{charts[0]}{closer}</div></section>'
    )


def _loss_chart(label: str, training: Any, validation: Any, first: int, last: int) -> str:
    curves = [
        Curve("training", "training", training, smooth=True),
        Curve("validation", "validation", validation, dots=True),
    ]
    return curves_chart(label, curves, first=first, last=last)


def course(facts: RunFacts) -> str:
    """Draw what else changes from step to step."""
    cards = []
    for title, column, note, write in (
        ("Learning rate", "learning_rate", "", short),
        ("Norm of the gradient", "gradient_norm", _clip(facts), short),
        ("Tokens a second", "tokens_per_second", "Validation, samples and checkpoints are not in it.", short),
        ("Model FLOPs utilisation", "mfu", _formula(facts), "{:.3g}%".format),
    ):
        points = facts.column(column)
        if column == "mfu":
            points = [(step, 100 * share) for step, share in points]
        chart = curves_chart(
            title,
            [Curve(title.lower(), "training", points, smooth=column != "learning_rate")],
            last=facts.step,
            write=write,
        )
        if chart:
            soft = f'<p class="note">{inert(note)}</p>' if note else ""
            cards.append(f'<div class="card"><h3>{title}</h3>{soft}{chart}</div>')
    return f'<section><h2>On the way</h2><div class="pair">{"".join(cards)}</div></section>' if cards else ""


def _clip(facts: RunFacts) -> str:
    clip = next((s.value for s in facts.settings if s.name == "trainer.gradient-clip-val"), None)
    return f"Before clipping to {number(clip)}." if clip else "Not clipped."


def _formula(facts: RunFacts) -> str:
    about = facts.about
    if not about.get("peak_tflops"):
        return ""
    return (
        f"{about['flops_formula']} = {flops_in_words(about['flops_per_token'])} a token, of "
        f"{about['peak_tflops']:,.4g} TFLOP/s: {about['device']} ({about['peak_from']})."
    )


def validations(facts: RunFacts) -> str:
    """List the validations."""
    rows = [
        (
            f"{int(line['step']):,}",
            count(int(line["tokens"])),
            figure(line.get("validation_loss"), 4),
            figure(line.get("perplexity"), 2),
            figure(line.get("bits_per_byte"), 4),
        )
        for line in facts.lines
        if line.get("validation_loss")
    ]
    if not rows:
        return ""
    headers = ("step", "tokens", "loss", "perplexity", "bits a byte")
    table = html_table(headers, rows[-LISTED:], numbers=range(5))
    more = len(rows) - LISTED
    note = f'<p class="note">The newest; <code>metrics.csv</code> has {more:,} more.</p>'
    note = note if more > 0 else ""
    return (
        '<section><h2>Validation</h2><p class="soft">The loss is in nats a token. Perplexity, its '
        "exponential, compares models of one tokenizer; bits a "
        f"byte compares models whatever their tokenizers.</p>{note}{table}</section>"
    )
