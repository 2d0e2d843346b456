"""What is run and what each claim needs, fixed before anything was looked at.

A *cell* is one kind of run: first weights, data, tokens. It has a learning rate of its own, unless it names
another cell whose rate it takes. The rate is chosen with `CHOOSING_SEED`, the first of `SEEDS`, on texts that
no reported figure is measured on: those listed are tried, and while the best is the highest or the lowest of
them, one more beyond it, twice or half as high. Reported are runs with all of `SEEDS` at the chosen rate. A
seed draws the order of the rows and random weights; for the cells about cleaning it also draws the documents,
the repeats and the junk.

N, the tokens of the runs from random weights that grown and shrunk models are compared with, is 917,504 for
three layers and 524,288 for eight and ten, which cost more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LENGTH, ROWS = 128, 8
"""Tokens in a row and rows in a step."""

STEP = LENGTH * ROWS
SHORTEST, SHORT, MIDDLE, LONG = 64 * STEP, 128 * STEP, 512 * STEP, 896 * STEP
"""Tokens of the runs: 65,536, 131,072, 524,288 and 917,504."""

WARMUP_STEPS = 50
"""Steps of warm-up, a quarter of the run at most; then a cosine to a tenth of the peak."""

SEEDS = (0, 1, 2)
CHOOSING_SEED = SEEDS[0]

LOWEST_RATE, HIGHEST_RATE = 1.25e-4, 3.2e-2
"""Where the search for a learning rate ends, whatever the best is."""

BASE = "stories260k"
"""The trained base: 260,032 parameters, 5 layers of width 64, a vocabulary of 512, tied embeddings."""

Domain = Literal["english", "stories"]
Strategy = Literal["random", "continue", "downscale", "upscale", "stack", "expand"]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One kind of run.

    Attributes
    ----------
    name
        Also the first part of a run's name.
    strategy, layers
        As ``model.init.strategy`` and ``model.init.layers`` of `trainer`; of random weights the layers of the
        new model.
    source
        :data:`BASE`, or the cell whose last checkpoint of the same seed is the source.
    data
        Name of a folder or recipe that `data` makes; ``{seed}`` stands for the seed.
    domain
        Texts that the learning rate is chosen on and that the claim is about.
    tokens
        Tokens of the run, padding there is none.
    rates
        Learning rates that are tried first.
    rate_of
        Cell whose learning rate is taken instead; rates are then not tried.
    also
        Further texts on which the end of the run is measured.
    """

    name: str
    strategy: Strategy
    data: str
    domain: Domain
    tokens: int
    layers: int | None = None
    source: str | None = None
    rates: tuple[float, ...] = ()
    rate_of: str | None = None
    also: tuple[Domain, ...] = ()

    @property
    def steps(self) -> int:
        """Optimizer steps of the run."""
        return self.tokens // STEP


HIGH = (2e-3, 4e-3, 8e-3)
LOW = (5e-4, 1e-3, 2e-3)
BOTH: tuple[Domain, ...] = ("stories",)


def _scratch(layers: int, tokens: int, rate_of: str | None = None) -> Cell:
    return Cell(
        name=f"scratch-{layers}", strategy="random", layers=layers, data="stories", domain="stories",
        tokens=tokens, rates=HIGH if rate_of is None else (), rate_of=rate_of,
    )  # fmt: skip


def _grown(
    name: str, strategy: Strategy, layers: int | None, source: str, *, tokens: int = SHORTEST,
    rates: tuple[float, ...] = LOW,
) -> Cell:  # fmt: skip
    return Cell(
        name=name, strategy=strategy, layers=layers, source=source, data="stories", domain="stories",
        tokens=tokens, rates=rates,
    )  # fmt: skip


def _english(name: str, strategy: Strategy, tokens: int, **others: object) -> Cell:
    source = None if strategy == "random" else BASE
    settings = {
        "data": "english", "rates": HIGH, "also": () if source is None else BOTH,
        "layers": 5 if source is None else None,
    }  # fmt: skip
    return Cell(
        name=name, strategy=strategy, source=source, domain="english", tokens=tokens,
        **{**settings, **others},  # type: ignore[arg-type]
    )  # fmt: skip


CELLS = (
    # A new domain, and what is forgotten of the old one.
    _english("english-random", "random", MIDDLE),
    _english("english-continued", "continue", SHORT),
    _english("replay-5", "continue", SHORT, data="replay-5", rates=(), rate_of="english-continued"),
    _english("replay-25", "continue", SHORT, data="replay-25", rates=(), rate_of="english-continued"),
    # Other depths of a trained base, and the base itself trained on.
    _grown("unchanged", "continue", None, BASE),
    _grown("upscaled", "upscale", 8, BASE),
    _grown("stacked", "stack", 10, BASE),
    _grown("expanded", "expand", 7, BASE),
    _scratch(8, MIDDLE, rate_of="scratch-3"),
    _scratch(10, MIDDLE, rate_of="scratch-3"),
    _grown("downscaled", "downscale", 3, BASE, tokens=SHORT, rates=HIGH),
    _grown("unchanged-longer", "continue", None, BASE, tokens=SHORT),
    _scratch(3, LONG),
    # The same with a base of our own, all of whose tokens are counted.
    _scratch(5, MIDDLE, rate_of="scratch-3"),
    _grown("own-unchanged", "continue", None, "scratch-5"),
    _grown("own-upscaled", "upscale", 8, "scratch-5"),
    _grown("own-stacked", "stack", 10, "scratch-5"),
    # Raw text beside cleaned text.
    _english("raw", "continue", SHORT, data="raw-{seed}", rates=HIGH, also=()),
    _english("clean", "continue", SHORT, data="clean-{seed}", rates=(), rate_of="raw", also=()),
    _english("clean-same", "continue", SHORT, data="same-{seed}", rates=(), rate_of="raw", also=()),
    _english("raw-random", "random", SHORT, data="raw-{seed}", rates=(), rate_of="english-random"),
    _english("clean-random", "random", SHORT, data="clean-{seed}", rates=(), rate_of="english-random"),
)  # fmt: skip

BY_NAME = {cell.name: cell for cell in CELLS}


@dataclass(frozen=True, kw_only=True)
class Below:
    """One cell ends below another by at least a margin.

    It holds when that is so for each seed, and the means lie apart by more than twice the seed spread, the
    distance of the highest and the lowest of a cell's three figures, of the cell that spreads more.

    Attributes
    ----------
    lower, upper
        Cells.
    domain
        Texts that they are measured on.
    margin
        Nats a token.
    most_tokens
        Largest share that the lower cell's tokens may be of the upper's; None: they are equal.
    """

    lower: str
    upper: str
    domain: Domain
    margin: float = 0.0
    most_tokens: float | None = None


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A claim, and the comparisons that must all hold.

    Attributes
    ----------
    name
        For ``--only``.
    text
        What is claimed.
    cells
        All that it shows, in the order of its table.
    needs
        What must hold.
    control
        Comparisons with the unchanged small model trained on for as long: shown, and no part of the verdict.
    """

    name: str
    text: str
    cells: tuple[str, ...]
    needs: tuple[Below, ...]
    control: tuple[Below, ...] = ()


FEWER = 0.15

CLAIMS = (
    Claim(
        name="new-domain",
        text=f"Continued from `stories260k`, {SHORT:,} tokens of a new domain end at least 0.2 nats below "
        f"random weights with {MIDDLE:,}.",
        cells=("english-continued", "english-random"),
        needs=(
            Below(
                lower="english-continued", upper="english-random", domain="english", margin=0.2,
                most_tokens=0.25,
            ),
        ),
    ),
    Claim(
        name="replay",
        text="At equal learning rate, 5 % of old data lets a continued model forget less than none does, and "
        "25 % less than 5 %.",
        cells=("english-continued", "replay-5", "replay-25"),
        needs=(
            Below(lower="replay-5", upper="english-continued", domain="stories"),
            Below(lower="replay-25", upper="replay-5", domain="stories"),
        ),
    ),
    Claim(
        name="expand",
        text="`expand` starts at the base's loss to 1e-5.",
        cells=("expanded", "unchanged"),
        needs=(),
        control=(Below(lower="expanded", upper="unchanged", domain="stories"),),
    ),
    Claim(
        name="downscale",
        text="Downscaled from 5 layers to 3 and healed with at most 15 % of N tokens, `stories260k` ends "
        f"below three layers of random weights with N = {LONG:,}.",
        cells=("downscaled", "scratch-3", "unchanged-longer"),
        needs=(Below(lower="downscaled", upper="scratch-3", domain="stories", most_tokens=FEWER),),
        control=(Below(lower="downscaled", upper="unchanged-longer", domain="stories"),),
    ),
    Claim(
        name="cleaning",
        text="Continued from `stories260k` with equally many tokens, cleaned text ends below raw text with "
        "planted repeats and junk; both are scored on clean text.",
        cells=("raw", "clean", "clean-same"),
        needs=(Below(lower="clean", upper="raw", domain="english"),),
    ),
    Claim(
        name="cleaning-random",
        text="The same from random weights.",
        cells=("raw-random", "clean-random"),
        needs=(Below(lower="clean-random", upper="raw-random", domain="english"),),
    ),
    Claim(
        name="upscale",
        text="`stories260k` upscaled from 5 layers to 8 ends, after at most 15 % of N tokens, below eight "
        f"layers of random weights with N = {MIDDLE:,}.",
        cells=("upscaled", "scratch-8", "unchanged"),
        needs=(Below(lower="upscaled", upper="scratch-8", domain="stories", most_tokens=FEWER),),
        control=(Below(lower="upscaled", upper="unchanged", domain="stories"),),
    ),
    Claim(
        name="stack",
        text="`stories260k` stacked from 5 layers to 10 ends, after at most 15 % of N tokens, below ten "
        f"layers of random weights with N = {MIDDLE:,}.",
        cells=("stacked", "scratch-10", "unchanged"),
        needs=(Below(lower="stacked", upper="scratch-10", domain="stories", most_tokens=FEWER),),
        control=(Below(lower="stacked", upper="unchanged", domain="stories"),),
    ),
    Claim(
        name="own-upscale",
        text="The same with a base of our own, five layers of random weights trained on N "
        "tokens: upscaled to 8.",
        cells=("own-upscaled", "scratch-8", "own-unchanged", "scratch-5"),
        needs=(Below(lower="own-upscaled", upper="scratch-8", domain="stories", most_tokens=FEWER),),
        control=(Below(lower="own-upscaled", upper="own-unchanged", domain="stories"),),
    ),
    Claim(
        name="own-stack",
        text="And stacked to 10.",
        cells=("own-stacked", "scratch-10", "own-unchanged", "scratch-5"),
        needs=(Below(lower="own-stacked", upper="scratch-10", domain="stories", most_tokens=FEWER),),
        control=(Below(lower="own-stacked", upper="own-unchanged", domain="stories"),),
    ),
)  # fmt: skip

EXPANDED_TO = (6, 7, 8, 10)
"""Depths that the base is expanded to, to compare its loss and its logits."""

START_TOLERANCE = 1e-5
"""Nats a token by which an expanded model may start beside its base."""


def next_rate(cell: Cell, found: dict[float, float]) -> float | None:
    """Return the learning rate that is to be tried next; None when the best one is known.

    Parameters
    ----------
    cell
        A cell with rates of its own.
    found
        Loss of each rate tried so far, on the texts that rates are chosen on.
    """
    for rate in cell.rates:
        if rate not in found:
            return rate
    best = min(found, key=lambda rate: found[rate])
    if best == min(found) and best / 2 >= LOWEST_RATE:
        return best / 2
    if best == max(found) and best * 2 <= HIGHEST_RATE:
        return best * 2
    return None
