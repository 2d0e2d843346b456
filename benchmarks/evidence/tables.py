"""The tables of the page: the runs of a claim, the learning rates that were tried, what cleaning left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.evidence.plan import (
    BASE,
    BY_NAME,
    CELLS,
    CHOOSING_SEED,
    SEEDS,
    Cell,
    Claim,
    Domain,
)
from benchmarks.evidence.verdicts import Figures, losses, mean, spread

from trainer.flops import flops_in_words

WORDS = {
    "random": "random weights",
    "continue": "continued",
    "downscale": "downscaled",
    "upscale": "upscaled",
    "stack": "stacked",
    "expand": "expanded",
}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def label(cell: Cell) -> str:
    """Say in a few words what a cell's runs are."""
    if cell.name in ("unchanged", "unchanged-longer", "own-unchanged"):
        return "control: the unchanged model trained on"
    text = WORDS[cell.strategy]
    if cell.strategy not in ("random", "continue"):
        text += f" to {cell.layers} layers"
    if cell.strategy == "random" and cell.domain == "stories":
        text += f", {cell.layers} layers"
    kinds = {
        "english-continued": "no old data",
        "raw": "raw text",
        "clean": "cleaned text",
        "clean-same": "cleaned text, the same documents again",
        "raw-random": "raw text",
        "clean-random": "cleaned text",
        "replay-5": "5 % of old data",
        "replay-25": "25 % of old data",
    }
    return f"{text}, {kinds[cell.name]}" if cell.name in kinds else text


def total_tokens(cell: Cell) -> str:
    """Return the tokens of a cell's runs with those that their source was trained on."""
    if cell.source == BASE:
        return f"{cell.tokens:,} + the base's"
    before = 0 if cell.source is None else BY_NAME[cell.source].tokens
    return f"{before + cell.tokens:,}"


def total_flops(cell: Cell, found: Figures) -> str:
    """Return the floating-point operations of a cell's runs, with those of their source's training."""
    line = next(iter(found[cell.name].values()))
    operations = line["flops_per_token"] * cell.tokens
    if cell.source == BASE:
        return f"{flops_in_words(operations)} + the base's"
    if cell.source is not None and cell.source in found:
        source = next(iter(found[cell.source].values()))
        operations += source["flops_per_token"] * BY_NAME[cell.source].tokens
    return flops_in_words(operations)


def figures_table(claim: Claim, domain: Domain, found: Figures) -> str:
    """Write the losses of a claim's cells on some texts, with what their tokens cost."""
    rows = []
    whole = max(BY_NAME[name].tokens for name in claim.cells)  # N
    for name in claim.cells:
        cell = BY_NAME[name]
        if name not in found or domain not in (cell.domain, *cell.also):
            continue
        ends = losses(found, name, domain)
        line = found[name][min(ends)]
        start = line["curve"][0][1 + [cell.domain, *cell.also].index(domain)]
        share = f" ({cell.tokens / whole:.1%} of N)" if cell.tokens < whole else ""
        rows.append(
            [
                label(cell),
                f"{line['parameters']:,}",
                f"{line['rate']:g}",
                f"{cell.tokens:,}{share}",
                total_tokens(cell),
                total_flops(cell, found),
                f"{start:.3f}",
                *(f"{ends[seed]:.4f}" if seed in ends else "not run" for seed in SEEDS),
                f"**{mean(ends.values()):.4f}**",
                f"{spread(ends.values()):.4f}" if len(ends) > 1 else "",
            ]
        )
    head = ["runs", "parameters", "rate", "further tokens", "all tokens", "FLOPs of all", "before"]
    return table([*head, *(f"seed {seed}" for seed in SEEDS), "mean", "spread"], rows) if rows else "Not run."


def rates_table(lines: Sequence[Mapping[str, Any]]) -> str:
    """Write the losses by which learning rates were chosen; the chosen one is bold."""
    tried: dict[str, dict[float, float]] = {}
    for line in lines:
        if line.get("half") == "choose" and line["seed"] == CHOOSING_SEED:
            tried.setdefault(line["cell"], {})[line["rate"]] = line["losses"][BY_NAME[line["cell"]].domain]
    rates = sorted({rate for found in tried.values() for rate in found})
    rows = []
    for cell in CELLS:
        if cell.rate_of is not None:
            rows.append([cell.name, f"as {cell.rate_of}", *[""] * (len(rates) - 1)])
        elif found := tried.get(cell.name):
            best = min(found, key=lambda rate: found[rate])
            texts = {rate: f"{loss:.4f}" for rate, loss in found.items()}
            texts[best] = f"**{texts[best]}**"
            rows.append([cell.name, *(texts.get(rate, "") for rate in rates)])
    return table(["cell", *(f"{rate:g}" for rate in rates)], rows)


def cleaning_table(cleaning: Mapping[str, Any]) -> str:
    """Write what was planted in good text and what `prepcore clean` left of it."""
    rows = []
    for seed, facts in cleaning.items():
        good = facts["good"]
        rows.append(
            [
                f"seed {seed}",
                f"{good['kept']} of {good['documents']}",
                *(
                    f"{facts[kind]['kept']} of {facts[kind]['planted']}"
                    for kind in ("repeats", "links", "advertisement")
                ),
                f"{facts['first_block_good_bytes'] / facts['first_block_bytes']:.0%}",
            ]
        )
    head = ["", "good documents kept", "repeats left", "lists of links left", "advertisements left"]
    return table([*head, "good text in the raw text, once"], rows)
