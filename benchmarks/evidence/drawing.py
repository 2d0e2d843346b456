"""The curves of a claim as a small SVG: loss over the tokens of a run, on texts that none has seen.

Lines go through the checkpoints of the first seed, dots are the ends of all seeds. They are points of runs
with a schedule of their own; only the ends are figures.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

from benchmarks.evidence.plan import BY_NAME, SEEDS, Claim, Domain
from benchmarks.evidence.verdicts import Figures

COLOURS = ("#0b62a4", "#c2410c", "#15803d", "#7e22ce")


def draw(claim: Claim, domain: Domain, found: Figures, labels: dict[str, str], path: Path) -> None:
    """Draw the curves of a claim's cells on some texts; cells without a run are left out."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    style = {"svg.fonttype": "none", "svg.hashsalt": claim.name, "font.size": 11, "font.family": "sans-serif"}
    with mpl.rc_context(style):
        figure, axes = plt.subplots(figsize=(7.2, 4.2), layout="constrained")
        lowest, highest = float("inf"), 0.0
        for colour, name in zip(COLOURS, claim.cells, strict=False):
            runs = found.get(name, {})
            column = 1 + [BY_NAME[name].domain, *BY_NAME[name].also].index(domain)
            first = runs.get(SEEDS[0])
            if first is not None:
                points = [(point[0] / 1000, point[column]) for point in first["curve"]]
                axes.plot(*zip(*points, strict=True), color=colour, label=labels[name], linewidth=1.8)
                # Random weights begin at 6.2, where they would make all else flat.
                shown = points[1:] if BY_NAME[name].strategy == "random" else points
                lowest = min(lowest, *(loss for _, loss in shown))
                highest = max(highest, *(loss for _, loss in shown))
            for line in runs.values():
                end = line["losses"][domain]
                axes.plot(line["tokens"] / 1000, end, "o", color=colour, markersize=4)
                lowest, highest = min(lowest, end), max(highest, end)
        room = 0.06 * (highest - lowest) or 0.01
        axes.set_ylim(lowest - room, highest + room)
        axes.set_xlim(left=0)
        axes.set_xlabel("tokens of the run, thousands")
        texts = "English" if domain == "english" else "stories"
        axes.set_ylabel(f"loss on held-out {texts}, nats a token")
        axes.grid(color="#dddddd", linewidth=0.6)
        axes.set_axisbelow(True)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        axes.legend(frameon=False, fontsize=10)
        text = io.StringIO()
        figure.savefig(text, format="svg", facecolor="white", metadata={"Date": None, "Creator": None})
        plt.close(figure)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(re.sub(r"[ \t]+\n", "\n", text.getvalue()))
