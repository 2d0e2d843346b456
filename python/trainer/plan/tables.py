"""A plan as tables and sentences for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prepcore.report.reasons import share, size
from prepcore.report.table import Table
from trainer.flops import flops_in_words
from trainer.plan.memory import PARTS
from trainer.report.words import count

Facts = dict[str, Any]

Cells = tuple[str, ...]


def tables(facts: Facts) -> list[Table]:
    """Lay a plan out."""
    made = [Table("model", ("", "", ""), list(_model(facts)), texts=(2,))]
    made.append(Table("run", ("", "", ""), list(_run(facts)), texts=(2,)))
    if facts["data"]:
        made.append(
            Table(
                f"data: {facts['data']['path']}",
                ("source", "share", "tokens there", "times in this run", "times if compute-optimal"),
                data_rows(facts),
            )
        )
    made.append(
        Table(
            f"memory of a device, {facts['memory']['micro']} rows of "
            f"{facts['model']['sequence_length']:,} tokens at a time",
            memory_headers(facts),
            memory_rows(facts),
        )
    )
    made.append(Table("recomputing, and the way of the loss", variant_headers(facts), variant_rows(facts)))
    if facts["machines"]:
        made.append(
            Table(
                f"GPUs, {facts['device']['devices']} of each at {facts['device']['mfu']:.0%} of the peak",
                ("GPU", "memory", "peak TFLOP/s", "$ an hour", "largest micro-batch", "hours", "dollars"),
                machine_rows(facts),
            )
        )
    made.append(
        Table("batch and learning rate in the literature", ("rule", "batch", "rate", ""), advice_rows(facts),
        texts=(3,))
    )  # fmt: skip
    if facts["reverse"]:
        made.append(Table("the other way round", ("", "", ""), list(reverse_rows(facts)), texts=(2,)))
    return made


def notes(facts: Facts) -> list[str]:
    """Return the sentences below the tables."""
    device = facts["device"]
    lines = [f"note: {note}" for note in facts["notes"]]
    if device["price"] is not None and device["price_from"].startswith("assumed"):
        lines.append(
            f"note: prices are round figures of {device['prices_of']}, an assumption, no quotation: --price"
        )
    if facts["machines"]:
        lines.append("note: memory on GPUs is counted, and was not measured on one; on a CPU it was")
    lines += [f"note: {line}" for line in advice_notes(facts)]
    return lines


def advice_notes(facts: Facts) -> list[str]:
    """Return what limits the advice."""
    advice = facts["advice"]
    lines = [advice["critical_batch"]]
    if not advice["from_random_weights"]:
        lines.append(
            "the rules are for training from random weights: weights that have learned want a lower rate"
        )
    if advice["optimizer"] != "adamw":
        lines.append(
            "the rules are for AdamW; Muon as it is set by default takes AdamW's rate, and larger batches"
        )
    return lines


def _model(facts: Facts) -> Iterator[Cells]:
    model = facts["model"]
    sizes = model["sizes"]
    shape = f"{sizes['layers']} layers, width {sizes['width']:,}, vocabulary {sizes['vocabulary']:,}"
    yield "parameters", f"{model['parameters']:,}", shape
    for part, amount in model["parts"].items():
        yield f"  {part}", f"{amount:,}", share(amount, model["parameters"])
    if model["trained_parameters"] < model["parameters"]:
        yield (
            "  trained",
            f"{model['trained_parameters']:,}",
            share(model["trained_parameters"], model["parameters"]),
        )
    formula = f"{model['flops_formula']} at {model['sequence_length']:,} tokens a row"
    yield "arithmetic a token", flops_in_words(model["flops_per_token"]), formula
    run = facts["run"]
    yield (
        "compute-optimal tokens",
        f"{run['optimal_tokens']:,}",
        f"{run['optimal_tokens_per_parameter']:g} a parameter",
    )


def _run(facts: Facts) -> Iterator[Cells]:
    run, time, device, how = facts["run"], facts["time"], facts["device"], facts["computation"]
    yield "tokens", f"{run['tokens']:,}", f"{run['why']}; {run['tokens_per_parameter']:.3g} a parameter"
    batches = run["micro_batches_per_device"]
    of = f"{batches:,} micro-batch{'es' if batches > 1 else ''} of {run['micro']} rows"
    each = " on each device" if device["devices"] > 1 else ""
    yield "steps", f"{run['steps']:,}", f"of {run['tokens_per_step']:,} tokens, {of}{each}"
    yield "computed", how["precision"], computed(facts)
    if time["seconds"] is not None:
        name = f"{device['devices']} x {device['name']}" if device["devices"] > 1 else device["name"]
        peak = f"{device['mfu']:.0%} of {device['peak_tflops']:,.4g} TFLOP/s ({device['peak_from']})"
        yield "hours", f"{time['hours']:,.2f}", f"{name} at {peak}"
        yield (
            "tokens a second",
            f"{time['tokens_per_second']:,.0f}",
            f"{time['seconds_per_step']:,.3g} s a step",
        )
    else:
        yield (
            "hours",
            "-",
            f"the peak of the {device['name']} is {device['peak_from']}: --trainer.peak-tflops",
        )
    if time["dollars"] is not None:
        price = f"${device['price']:,.2f} an hour and device ({device['price_from']})"
        yield "dollars", f"${time['dollars']:,.2f}", price


def computed(facts: Facts) -> str:
    """Say how the run is computed."""
    how = facts["computation"]
    return (
        f"{how['attention']} attention, {how['loss']} loss, compile {how['compile']}, activation "
        f"checkpointing {how['activation_checkpointing']}, {how['optimizer']}"
    )


def data_rows(facts: Facts) -> list[Cells]:
    """Return a line for each source, and one for all where there are several."""
    data = facts["data"]
    rows: list[Cells] = [
        (
            source["name"],
            f"{source['share']:.4g}",
            f"{source['tokens']:,}",
            f"{source['epochs']:,.3g}",
            f"{source['optimal_epochs']:,.3g}",
        )
        for source in data["sources"]
    ]
    if len(rows) > 1:
        together = (f"{data['tokens']:,}", f"{data['epochs']:,.3g}", f"{data['optimal_epochs']:,.3g}")
        rows.append(("all", "", *together))
    return rows


def used_parts(facts: Facts) -> list[str]:
    """Return the parts of memory that are not nothing everywhere."""
    strategies = facts["memory"]["strategies"]
    return [part for part in PARTS if any(entry["parts"][part] for entry in strategies)]


def memory_headers(facts: Facts) -> Cells:
    """Name the columns of the table of memory: a strategy each."""
    return (
        "",
        *(
            f"{entry['title']}, {entry['devices']} devices" if entry["devices"] > 1 else entry["title"]
            for entry in facts["memory"]["strategies"]
        ),
    )


def memory_rows(facts: Facts) -> list[Cells]:
    """Return a line for each part of memory."""
    strategies = facts["memory"]["strategies"]
    rows: list[Cells] = [
        (part, *(size(entry["parts"][part]) if entry["parts"][part] else "-" for entry in strategies))
        for part in used_parts(facts)
    ]
    rows.append(("all", *(size(entry["total"]) for entry in strategies)))
    rows.append(("fullest in", *(entry["moment"] for entry in strategies)))
    if facts["device"]["available"] is not None:
        word = {True: "yes", False: "no"}
        name = f"fits {size(facts['device']['available'])} of {facts['device']['name']}"
        rows.append((name, *(word[entry["fits"]] for entry in strategies)))
        rows.append(("largest micro-batch, rows", *(f"{entry['largest_micro']:,}" for entry in strategies)))
    return rows


def variant_headers(facts: Facts) -> Cells:
    """Name the columns of the table of what may be recomputed."""
    more = ("largest micro-batch",) if facts["device"]["available"] is not None else ()
    return ("activation checkpointing, loss", "activations", "logits and loss", "fullest moment", *more)


def variant_rows(facts: Facts) -> list[Cells]:
    """Return a line for each thing that may be recomputed and each way of the loss."""
    rows: list[Cells] = []
    for entry in facts["memory"]["variants"]:
        name = f"{entry['activation_checkpointing']}, {entry['loss']}"
        cells = (size(entry["activations"]), size(entry["logits_and_loss"]), size(entry["total"]))
        more = () if entry["largest_micro"] is None else (f"{entry['largest_micro']:,}",)
        rows.append((name, *cells, *more))
    return rows


def machine_rows(facts: Facts) -> list[Cells]:
    """Return a line for each GPU."""
    return [
        (
            entry["gpu"],
            size(entry["memory"]),
            "-" if entry["peak_tflops"] is None else f"{entry['peak_tflops']:,.4g}",
            f"${entry['price']:,.2f}",
            f"{entry['largest_micro']:,}" if entry["largest_micro"] else "does not fit",
            "-" if entry["hours"] is None else f"{entry['hours']:,.1f}",
            "-" if entry["dollars"] is None else f"${entry['dollars']:,.2f}",
        )
        for entry in facts["machines"]
    ]


def advice_rows(facts: Facts) -> list[Cells]:
    """Return a line for the configured values, and one for each rule."""
    advice = facts["advice"]
    rows: list[Cells] = [("configured", f"{advice['batch_tokens']:,}", f"{advice['learning_rate']:.2e}", "")]
    for entry in advice["suggestions"]:
        outside = "" if entry["inside"] else "outside of where it was fitted: "
        rows.append(
            (
                entry["rule"],
                f"{round(entry['batch_tokens'], -3):,.0f}",
                f"{entry['learning_rate']:.2e}",
                f"{outside}{entry['range']}",
            )
        )
    return rows


def reverse_rows(facts: Facts) -> Iterator[Cells]:
    """Return what a budget buys."""
    reverse = facts["reverse"]
    dollars = "" if reverse["dollars"] is None else f"${reverse['dollars']:,.2f}, "
    yield "there is", f"{reverse['hours']:,.2f} hours", f"{dollars}{reverse['operations']:.3g} operations"
    bought = reverse["model"]
    if bought is None:
        yield "model", "none", "not even the smallest of these proportions"
    else:
        sizes = bought["sizes"]
        shape = f"{sizes['layers']} layers, width {sizes['width']:,}, inner width {sizes['inner_width']:,}, "
        shape += f"{sizes['heads']} and {sizes['shared_heads']} heads; the limit is {bought['limit']}"
        yield "largest sensible model", f"{bought['parameters']:,}", shape
        ratio = f"{bought['tokens_per_parameter']:.3g} a parameter"
        cost = "" if bought["dollars"] is None else f", ${bought['dollars']:,.2f}"
        yield "its tokens", f"{bought['tokens']:,}", f"{ratio}; {bought['hours']:,.2f} hours{cost}"
        for option in bought["options"]:
            yield "", "", option
    configured = reverse["configured"]
    ratio = f"{configured['tokens_per_parameter']:.3g} a parameter"
    yield "tokens of the model configured", f"{configured['tokens']:,}", ratio


def summary(facts: Facts) -> str:
    """Say a plan in a sentence."""
    model, run, time, device = (facts[name] for name in ("model", "run", "time", "device"))
    said = (
        f"{count(model['parameters'])} parameters over {count(run['tokens'])} tokens, {run['steps']:,} steps"
    )
    if time["hours"] is not None:
        said += f": {time['hours']:,.1f} hours on {device['devices']} x {device['name']}"
    if time["dollars"] is not None:
        said += f", ${time['dollars']:,.2f}"
    return said
