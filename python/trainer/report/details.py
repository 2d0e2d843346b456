"""The sections of the page of a run that tell what it is made of, one function each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prepcore.report.html_table import html_table
from prepcore.report.inert import inert
from prepcore.report.reasons import number, size
from trainer.evaluate.table import figure as score_figure
from trainer.flops import flops_in_words
from trainer.report.facts import RunFacts
from trainer.report.words import LISTED, count, figure, value_of


def mixture(facts: RunFacts) -> str:
    """Show what was seen of each source of a mixture, and how well each is predicted."""
    if not facts.sources:
        return ""
    latest = max(int(line["step"]) for line in facts.sources)
    begun: dict[str, str] = {}
    for line in facts.sources:
        if line["validation_loss"]:
            begun.setdefault(line["source"], line["validation_loss"])
    now = [line for line in facts.sources if int(line["step"]) == latest]
    whole = sum(int(line["tokens"]) for line in now) or 1
    rows = [
        (
            line["source"],
            f"{int(line['tokens']) / whole:.1%}",
            count(int(line["tokens"])),
            f"{float(line['epochs']):.2f}",
            figure(begun.get(line["source"]), 3),
            figure(line["validation_loss"], 3),
        )
        for line in now
    ]
    headers = ("source", "share", "tokens", "epochs", "validation loss at first", f"after step {latest:,}")
    table = html_table(headers, rows, numbers=range(1, 6))
    return f"<section><h2>The mixture</h2>{table}</section>"


def evaluations(facts: RunFacts) -> str:
    """List the scores of checkpoints that were evaluated on the way."""
    columns = list(
        dict.fromkeys(
            (name, result["main"]) for _, results in facts.evaluations for name, result in results.items()
        )
    )
    if not columns:
        return ""
    rows = [
        (f"{step:,}", *(_scored(results.get(name), metric) for name, metric in columns))
        for step, results in facts.evaluations[-LISTED:]
    ]
    headers = ("step", *(f"{name}, {metric}" for name, metric in columns))
    table = html_table(headers, rows, numbers=range(len(headers)))
    soft = "With standard errors, where there are any. <code>evaluations/</code> has all figures."
    return f'<section><h2>Evaluations</h2><p class="soft">{soft}</p>{table}</section>'


def _scored(result: Mapping[str, Any] | None, metric: str) -> str:
    score = result["scores"].get(metric) if result else None
    if score is None:
        return "-"
    error = "" if score["stderr"] is None else f" ± {score_figure(score['stderr'])}"
    return score_figure(score["value"]) + error


def samples(facts: RunFacts) -> str:
    """Show how the prompts are continued now, and how they were at first."""
    if not facts.samples:
        return ""
    steps = sorted({int(line["step"]) for line in facts.samples})
    blocks = []
    for step in dict.fromkeys((steps[-1], steps[0])):
        examples = "".join(
            f'<div class="example"><pre><span class="prompt">{inert(line["prompt"])}</span>'
            f"{inert(line['continuation'])}</pre></div>"
            for line in facts.samples
            if int(line["step"]) == step
        )
        block = f'<div class="samples">{examples}</div>'
        title = f"After step {step:,}" if step else "Before training"
        blocks.append(
            f"<h3>{title}</h3>{block}"
            if step == steps[-1]
            else f"<details><summary>{title}</summary>{block}</details>"
        )
    return f"<section><h2>Samples</h2>{''.join(blocks)}</section>"


def checkpoints(facts: RunFacts) -> str:
    """List the checkpoints that are there."""
    if not facts.checkpoints:
        return ""
    validated = dict(facts.column("validation_loss"))
    rows = [
        (
            f"checkpoints/{checkpoint.name}" + (" (last)" if checkpoint.last else ""),
            f"{checkpoint.step:,}",
            size(checkpoint.bytes),
            f"{validated[checkpoint.step]:.4f}" if checkpoint.step in validated else "-",
        )
        for checkpoint in facts.checkpoints[-LISTED:]
    ]
    table = html_table(("folder", "step", "size", "validation loss"), rows, numbers=(1, 2, 3))
    return (
        '<section><h2>Checkpoints</h2><p class="soft">Hugging Face folders: '
        f"<code>AutoModelForCausalLM.from_pretrained</code> opens each.</p>{table}</section>"
    )


def settings(facts: RunFacts) -> str:
    """List the configuration, what is not the default in bold."""
    rows, changed = [], set()
    for place, setting in enumerate(facts.settings):
        other = setting.value != setting.default
        if other:
            changed.add(place)
        rows.append((setting.name, value_of(setting.value), value_of(setting.default) if other else ""))
    if not rows:
        return ""
    table = html_table(("setting", "value", "default, where it is another"), rows, marked=changed)
    told = f"{len(rows)} settings, {len(changed)} of them not the default"
    return f"<section><h2>Configuration</h2><details><summary>{told}</summary>{table}</details></section>"


def model(facts: RunFacts) -> str:
    """Show the sizes of the model, what a token costs, and what it was made of."""
    about = facts.about
    if not about:
        return ""
    sizes = about["sizes"]
    tied = ", input and output tied" if sizes["tied"] else ""
    rows = [
        (
            "parameters",
            f"{about['parameters']:,} ({about['parameters_without_embedding']:,} of them N){tied}",
        ),
        ("layers", f"{sizes['layers']} of width {sizes['width']:,}, {sizes['inner_width']:,} inside"),
        ("heads", f"{sizes['heads']} of {sizes['head_width']}, {sizes['shared_heads']} for keys and values"),
        ("vocabulary", f"{sizes['vocabulary']:,}"),
        ("rows", f"{about['sequence_length']:,} tokens; {about['rows_per_step']:,} rows in a step"),
        ("arithmetic", f"{about['flops_formula']} = {flops_in_words(about['flops_per_token'])} a token"),
        ("trained on", f"{about['device']}, {about['precision']}"),
    ]
    if about["trained_parameters"] < about["parameters"]:
        rows.insert(1, ("trained", f"{about['trained_parameters']:,} parameters; the others are frozen"))
    return f"<section><h2>Model</h2>{html_table(('', ''), rows, header=False)}</section>"


def layer_map(facts: RunFacts) -> str:
    """Show which layer of the source each layer came from, and what else is stored of the initialisation."""
    made = facts.initialization
    if not made:
        return ""
    layers = [layer for layer in made.get("layers") or [] if isinstance(layer, Mapping)]
    items = "".join(
        f'<li class="new">{inert(layer.get("source"))} <span class="soft">new</span></li>'
        if layer.get("new")
        else f"<li>{inert(layer.get('source'))}</li>"
        for layer in layers
    )
    rows = [
        (name.replace("_", " "), _in_words(value))
        for name, value in made.items()
        if value is not None and name != "layers" and not name.startswith("format")
    ]
    shown = html_table(("", ""), rows, header=False)
    if items:
        note = '<p class="note">Layers of the source, in the order in which the model has them:</p>'
        shown = f'{note}<ol class="layers">{items}</ol>{shown}'
    return f"<section><h2>Where the weights came from</h2>{shown}</section>"


def _in_words(value: Any) -> str:
    """Write a value of any shape in one line."""
    if isinstance(value, Mapping):
        parts = ((name.replace("_", " "), inner) for name, inner in value.items() if inner is not None)
        return "; ".join(f"{name} {_in_words(inner)}" for name, inner in parts)
    if isinstance(value, list):
        return ", ".join(_in_words(inner) for inner in value)
    return value_of(value) if isinstance(value, str | bool) else number(value)
