"""`benchmarks/evidence`: how it judges, how it searches for a learning rate, what it plants."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from benchmarks.evidence import report
from benchmarks.evidence.junk import corrupted
from benchmarks.evidence.plan import (
    CELLS,
    CLAIMS,
    HIGHEST_RATE,
    LOWEST_RATE,
    SEEDS,
    Below,
    Cell,
    Claim,
    next_rate,
)
from benchmarks.evidence.verdicts import compare, figures, verdict
from hypothesis import given
from hypothesis import strategies as st

import prepcore


def lines(cell: str, losses: list[float], tokens: int = 100) -> list[dict[str, Any]]:
    return [
        {"cell": cell, "seed": seed, "half": "report", "tokens": tokens, "losses": {"stories": loss}}
        for seed, loss in zip(SEEDS, losses, strict=False)
    ]


UPPER = [2.0, 2.01, 2.02]


@pytest.mark.parametrize(
    ("lower", "wanted", "tokens", "holds"),
    [
        ([1.9, 1.91, 1.9], {}, 100, True),
        ([1.9, 1.91, 2.02], {}, 100, False),  # not for the third seed
        ([1.98, 1.99, 2.0], {}, 100, False),  # a gap of one spread
        ([1.99, 1.9, 1.97], {}, 100, False),  # the lower cell's own spread counts, too
        ([1.7, 1.71, 1.7], {"margin": 0.2}, 100, True),
        ([1.7, 1.71, 1.9], {"margin": 0.2}, 100, False),  # the third seed misses the margin
        ([1.9, 1.91, 1.9], {"most_tokens": 0.15}, 15, True),
        ([1.9, 1.91, 1.9], {"most_tokens": 0.15}, 16, False),
        ([1.9, 1.91], {}, 100, None),  # a seed is missing
    ],
)
def test_below_means_each_seed_by_the_margin_and_beyond_the_spread(
    lower: list[float], wanted: dict[str, float], tokens: int, holds: bool | None
) -> None:
    found = figures(lines("lower", lower, tokens) + lines("upper", UPPER))
    comparison = compare(Below(lower="lower", upper="upper", domain="stories", **wanted), found)
    assert comparison is not None
    assert comparison.holds is holds


def test_only_reported_runs_are_judged() -> None:
    chosen = [{**line, "half": "choose"} for line in lines("lower", [1.0, 1.0, 1.0])]
    below = Below(lower="lower", upper="upper", domain="stories")
    assert compare(below, figures(chosen + lines("upper", UPPER))) is None


def test_one_need_that_fails_fails_the_claim_and_one_that_is_open_leaves_it_open() -> None:
    good, bad, unknown = (
        Below(lower=name, upper="upper", domain="stories") for name in ("good", "bad", "unknown")
    )
    found = figures(lines("good", [1.5] * 3) + lines("bad", [2.5] * 3) + lines("upper", UPPER))

    def answer(*needs: Below) -> bool | None:
        return verdict(Claim(name="", text="", cells=(), needs=needs), found, None)

    assert [answer(good), answer(good, unknown), answer(bad, unknown)] == [True, None, False]


@pytest.mark.parametrize(("apart", "holds"), [(9e-6, True), (2e-5, False)])
def test_an_expansion_is_judged_by_its_loss(apart: float, holds: bool) -> None:
    base = {"expanded": {"6": {"logits": 1.0, "stories-report": 0.0, "english-report": apart}}}
    claim = next(claim for claim in CLAIMS if claim.name == "expand")
    assert verdict(claim, {}, base) is holds
    assert verdict(claim, {}, None) is None


@given(st.floats(-11, -2), st.floats(0.01, 1))
def test_the_search_ends_between_two_that_are_worse_or_at_a_bound(best: float, curvature: float) -> None:
    cell = Cell(name="", strategy="random", data="", domain="stories", tokens=1024, rates=(2e-3, 4e-3, 8e-3))
    found: dict[float, float] = {}
    while (rate := next_rate(cell, found)) is not None:
        assert rate not in found
        found[rate] = curvature * (math.log(rate) - best) ** 2
    chosen = min(found, key=lambda each: found[each])
    assert min(found) < chosen or chosen / 2 < LOWEST_RATE
    assert max(found) > chosen or chosen * 2 > HIGHEST_RATE


def test_the_plan_fits_together() -> None:
    names = {cell.name for cell in CELLS}
    assert len(names) == len(CELLS)
    for cell in CELLS:
        assert bool(cell.rates) != (cell.rate_of in names)
    for claim in CLAIMS:
        assert set(claim.cells) <= names
        for wanted in (*claim.needs, *claim.control):
            assert {wanted.lower, wanted.upper} <= set(claim.cells)


def test_cleaning_takes_all_that_was_planted_and_nothing_good(tmp_path: Path) -> None:
    good = [f"{'Line' if row % 2 else 'Text'} {row}\nwith a second line\nand a third." for row in range(120)]
    raw = corrupted(good, seed=3)
    kinds = pl.DataFrame(raw)["kind"].value_counts()
    assert dict(kinds.iter_rows())["good"] > len(good)
    assert kinds.height == 3
    cleaned = prepcore.clean(pl.DataFrame(raw))
    assert sorted(cleaned.frame["text"]) == sorted(good)
    assert corrupted(good, seed=3) == raw != corrupted(good, seed=4)


def test_the_page_is_that_of_the_runs(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    results, facts = report.read()
    assert report.page(results, facts, tmp_path) == (report.HERE / "README.md").read_text()
    drawn = {path.name for path in (tmp_path / "curves").iterdir()}
    assert drawn == {path.name for path in (report.HERE / "curves").iterdir()}
