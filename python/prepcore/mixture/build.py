"""From sources and weights to a recipe: `prepcore.mix`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import lcm
from pathlib import Path
from typing import Any

from prepcore.arguments import UsageError, parse_amount, parse_count
from prepcore.mixture.checks import check_fit, common_length
from prepcore.mixture.folder import SourceFolder
from prepcore.mixture.interleaving import Interleaving
from prepcore.mixture.recipe import Recipe, Source

PathLike = str | os.PathLike[str]
Weight = int | float | str | Fraction

LONGEST_WALK = 1 << 24
"""Rows that may have to be counted to reach a place in the order: about 20 seconds of work."""


def mix(
    sources: Mapping[str, tuple[PathLike, Weight]],
    *,
    tokens: int | str,
    out: PathLike,
    sequence_length: int | None = None,
) -> dict[str, Any]:
    """Write the recipe of a mixture, as ``prepcore mix`` does.

    Parameters
    ----------
    sources
        Name to token folder and weight. Weights are shares of the tokens, in any unit: 7 and 3, 70% and 30%,
        3.5B and 1.5B are the same mixture.
    tokens
        Tokens of the whole mixture, such as ``"5B"``; whole rows are taken, so there may be a few more.
    out
        File to write; a recipe of that name is replaced.
    sequence_length
        Tokens in a row; what the folders were packed for.

    Returns
    -------
    dict
        What the file says.

    Raises
    ------
    UsageError
        When a folder is no token folder, or the folders do not fit together.
    """
    from prepcore import engine

    try:
        count = parse_count(tokens)
        weights = {_checked_name(name): exact_weight(weight) for name, (_, weight) in sources.items()}
    except ValueError as error:
        raise UsageError(f"a mixture cannot be made: {error}") from error
    opened = {name: (SourceFolder.open(Path(path)), weights[name]) for name, (path, _) in sources.items()}
    recipe = recipe_of(opened, count, Path(out), sequence_length)
    return recipe.write(f"prepcore {engine.core().version()}")


def recipe_of(
    sources: Mapping[str, tuple[SourceFolder, Fraction]], tokens: int, out: Path, length: int | None
) -> Recipe:
    """Work a recipe out; nothing is written.

    Raises
    ------
    UsageError
        When the folders do not fit together, or one has no row.
    """
    folders = {name: folder for name, (folder, _) in sources.items()}
    check_fit(folders)
    length = common_length(folders) if length is None else length
    if length < 2:
        raise UsageError(f"the sequence length is {length}, wanted at least 2 tokens a row")
    available = {name: folder.rows(length) for name, folder in folders.items()}
    for name, count in available.items():
        if not count:
            raise UsageError(
                f"{name} ({folders[name].path}) has no row of {length:,} tokens",
                "leave it out, or give it more text",
            )
    rows = -(-tokens // length)
    weights = whole_weights([weight for _, weight in sources.values()], rows)
    named = tuple(
        Source(name, folder.path, weight, 0, available[name], folder.fingerprint(length))
        for (name, folder), weight in zip(folders.items(), weights, strict=True)
    )
    return Recipe(path=out, sequence_length=length, rows=0, sources=named).of_rows(rows)


def whole_weights(weights: Sequence[Fraction], rows: int) -> tuple[int, ...]:
    """Return whole numbers in the same proportion, as small as they can be.

    The order of the sources is counted row by row, and repeats after as many rows as the weights add up to.
    Where both that and `rows` are more than `LONGEST_WALK`, weights are rounded so that they add up to that
    many: a share is then off by about one in as many.
    """
    common = lcm(*(weight.denominator for weight in weights))
    whole = Interleaving([int(weight * common) for weight in weights]).weights
    lap = sum(whole)
    if min(lap, rows) <= LONGEST_WALK:
        return whole
    # Largest remainders; what would be nothing is one.
    parts = [max(1, weight * LONGEST_WALK // lap) for weight in whole]
    remainders = sorted(range(len(whole)), key=lambda source: -(whole[source] * LONGEST_WALK % lap))
    for source in remainders[: max(0, LONGEST_WALK - sum(parts))]:
        parts[source] += 1
    return Interleaving(parts).weights


def parse_source(text: str) -> tuple[str, str, Fraction]:
    """Split ``NAME=DIR:WEIGHT``.

    Raises
    ------
    ValueError
        When it is not written so.
    """
    name, equals, rest = text.partition("=")
    path, colon, weight = rest.rpartition(":")
    if not (equals and colon and path):
        raise ValueError(f"{text!r} is not NAME=DIR:WEIGHT, such as web=tokens/web:0.7")
    return _checked_name(name), path, exact_weight(weight)


def exact_weight(weight: Weight) -> Fraction:
    """Return a weight as the exact number that was written.

    Raises
    ------
    ValueError
        When it is not a number above 0.
    """
    amount = weight if isinstance(weight, Fraction) else parse_amount(weight)
    if amount <= 0:
        raise ValueError(f"the weight is {weight}, wanted more than 0; leave out what is not wanted")
    return amount


def _checked_name(name: str) -> str:
    if not re.fullmatch(r"[\w.+-]+", name):
        raise ValueError(f"{name!r} is not a name of letters, digits, '.', '_', '+' and '-'")
    return name
