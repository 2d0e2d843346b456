"""Write README.md and curves/ from data.json and runs.jsonl; needs no run and no data.

python -m benchmarks.evidence.report
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from benchmarks.evidence import drawing
from benchmarks.evidence.plan import (
    BY_NAME,
    CELLS,
    CHOOSING_SEED,
    CLAIMS,
    EXPANDED_TO,
    LENGTH,
    LOWEST_RATE,
    ROWS,
    SEEDS,
    START_TOLERANCE,
    WARMUP_STEPS,
    Claim,
    Domain,
)
from benchmarks.evidence.tables import cleaning_table, figures_table, label, rates_table, table
from benchmarks.evidence.verdicts import (
    SPREADS,
    Comparison,
    Figures,
    compare,
    figures,
    largest_difference,
    losses,
    mean,
    verdict,
)

from trainer.flops import flops_in_words

HERE = Path(__file__).parent
TEMPLATE = HERE / "template.md"
ANSWERS = {True: "holds", False: "**fails**", None: "not settled: runs are missing"}


def read(folder: Path = HERE) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the lines of the runs, and the facts of the data."""
    lines = [json.loads(line) for line in (folder / "runs.jsonl").read_text().splitlines()]
    return lines, json.loads((folder / "data.json").read_text())


def gap_in_words(comparison: Comparison | None) -> str:
    """Say how far two cells lie apart."""
    if comparison is None:
        return "not run"
    each = ", ".join(f"{gap:+.3f}" for gap in comparison.gaps.values())
    return f"{comparison.gap:+.3f} ({each}); spread {comparison.spread:.3f}"


def summary(found: Figures, base: Mapping[str, Any] | None) -> str:
    """Write the verdicts, a row a claim."""
    rows = []
    for claim in CLAIMS:
        if claim.needs:
            apart = "<br>".join(gap_in_words(compare(wanted, found)) for wanted in claim.needs)
        elif base is None:
            apart = "not measured"
        else:
            apart = f"at most {largest_difference(base, 'loss'):.1g}"
        link = f"[{claim.name}](#{claim.name})"
        rows.append([link, claim.text, apart, ANSWERS[verdict(claim, found, base)]])
    return table(["", "claim", "nats a token between the two", "verdict"], rows)


def control_in_words(claim: Claim, found: Figures) -> list[str]:
    """Say how a grown or shrunk model lies to the unchanged one that was trained on for as long."""
    said = []
    for wanted in claim.control:
        comparison = compare(wanted, found)
        if comparison is None:
            continue
        pair = (wanted.lower, wanted.upper)
        lower, upper = (mean(losses(found, cell, wanted.domain).values()) for cell in pair)
        cost = [next(iter(found[cell].values()))["flops_per_token"] for cell in pair]
        if comparison.holds is None:
            answer = "Runs are missing."
        elif comparison.holds:
            answer = f"Better than the control by more than {SPREADS} times the seed spread."
        elif comparison.gap > SPREADS * -comparison.spread:
            answer = (
                f"No difference beyond {SPREADS} times the seed spread: no gain over the control is shown."
            )
        else:
            answer = "The control is better."
        said.append(
            f"Beside the control: {lower:.4f} against {upper:.4f}, a gap of {comparison.gap:+.4f} with a "
            f"spread of {comparison.spread:.4f}, at {cost[0] / cost[1]:.2f} times the FLOPs a token. {answer}"
        )
    return said


def domains_of(claim: Claim) -> list[Domain]:
    """Return the texts that a claim's figures are of, those of its comparisons first."""
    domains: list[Domain] = [wanted.domain for wanted in (*claim.needs, *claim.control)]
    if claim.name == "replay":
        domains.append("english")
    return list(dict.fromkeys(domains))


def section(claim: Claim, found: Figures, base: Mapping[str, Any] | None, folder: Path) -> list[str]:
    """Write a claim with its figures, and draw its curves."""
    parts = [f"## {claim.name}", claim.text, f"Verdict: {ANSWERS[verdict(claim, found, base)]}."]
    for wanted in claim.needs:
        lower, upper = label(BY_NAME[wanted.lower]), label(BY_NAME[wanted.upper])
        margin = f" by {wanted.margin:g}" if wanted.margin else ""
        parts.append(f"*{lower}* below *{upper}*{margin}: {gap_in_words(compare(wanted, found))}.")
    if not claim.needs and base is not None:
        parts.append(expansions(base))
    for domain in domains_of(claim):
        texts = "English" if domain == "english" else "stories"
        parts += [f"Loss on held-out {texts}:", figures_table(claim, domain, found)]
        if claim.name == "replay" and domain == "stories" and base is not None:
            parts.append(forgotten(found, base))
        if any(name in found for name in claim.cells):
            picture = f"curves/{claim.name}{'' if domain == domains_of(claim)[0] else '-' + domain}.svg"
            labels = {name: label(BY_NAME[name]) for name in claim.cells}
            drawing.draw(claim, domain, found, labels, folder / picture)
            parts.append(f"![{claim.name}: loss on held-out {texts} over tokens]({picture})")
    return parts + control_in_words(claim, found)


def expansions(base: Mapping[str, Any]) -> str:
    """Write by how much each expansion differs from the base before any training."""
    rows = [
        [f"5 → {layers}", *(f"{base['expanded'][str(layers)][key]:.1g}" for key in (
            "stories-report", "english-report", "logits"
        ))]
        for layers in EXPANDED_TO
    ]  # fmt: skip
    head = ["layers", "loss on stories", "loss on English", "largest difference of a logit"]
    said = f"Differences from the base before the first step; wanted at most {START_TOLERANCE:g}:"
    return f"{said}\n\n{table(head, rows)}"


def forgotten(found: Figures, base: Mapping[str, Any]) -> str:
    """Say what each share of old data leaves of the forgetting."""
    own = base["losses"]["stories"]
    parts = []
    first = None
    for name, share in (("english-continued", "none"), ("replay-5", "5 %"), ("replay-25", "25 %")):
        if ends := losses(found, name, "stories"):
            lost = mean(ends.values()) - own
            first = lost if first is None else first
            parts.append(
                f"{share} {lost:+.3f}" + (f" ({1 - lost / first:.0%} less)" if lost != first else "")
            )
    return f"The base itself has {own:.4f}. Forgotten, by the share of old data: {'; '.join(parts)}."


def minutes(lines: Sequence[Mapping[str, Any]]) -> float:
    """Return the minutes of processor time of all runs, each counted once."""
    runs = {
        (line["cell"], line["rate"], line["seed"]): line["cpu_seconds"]
        for line in lines
        if "cpu_seconds" in line
    }
    return float(sum(runs.values())) / 60


def held_out(folders: Mapping[str, Mapping[str, int]]) -> str:
    """Say how much text the figures are of."""
    parts = [(domain, folders[f"{domain}-report"]) for domain in ("english", "stories")]
    return " and ".join(
        f"{part['tokens']:,} tokens of {part['documents']} "
        f"{'English documents' if domain == 'english' else domain}"
        for domain, part in parts
    )


def page(lines: Sequence[dict[str, Any]], facts: Mapping[str, Any], folder: Path) -> str:
    """Return the page; curves are drawn beside it."""
    found = figures(lines)
    base = next(line for line in lines if line["cell"] == "base")
    sections = [part for claim in CLAIMS for part in section(claim, found, base, folder)]
    missing = [cell.name for cell in CELLS if len(found.get(cell.name, {})) < len(SEEDS)]
    folders = facts["folders"]
    return Template(TEMPLATE.read_text()).substitute(
        summary=summary(found, base),
        missing=f"Some seeds of these cells were not run: {', '.join(missing)}." if missing else "",
        seeds=", ".join(map(str, SEEDS)),
        choosing=CHOOSING_SEED,
        **{name: base[name] for name in ("python", "torch", "transformers", "lightning", "cpus")},
        minutes=f"{minutes(lines):.0f}",
        base_parameters=f"{base['parameters']:,}",
        base_flops=flops_in_words(base["flops_per_token"]),
        base_loss=f"{base['losses']['stories']:.3f}",
        english_tokens=f"{folders['english']['tokens']:,}",
        stories_tokens=f"{folders['stories']['tokens']:,}",
        length=LENGTH,
        rows=ROWS,
        warmup=WARMUP_STEPS,
        held_out=held_out(folders),
        spreads=SPREADS,
        lowest=f"{LOWEST_RATE:g}",
        claims="\n\n".join(sections),
        rates=rates_table(lines),
        cleaning=cleaning_table(facts["cleaning"]),
    )


def main() -> None:
    lines, facts = read()
    shutil.rmtree(HERE / "curves", ignore_errors=True)
    (HERE / "README.md").write_text(page(lines, facts, HERE))


if __name__ == "__main__":
    main()
