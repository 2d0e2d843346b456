"""The other way round: the largest sensible model and token count for so many hours or dollars.

Sensible means three things. The tokens are compute-optimal, `--tokens-per-parameter` for each parameter. The
shape keeps the proportions of the model that is configured, or of a Llama: width by depth, inner width by
width, the width of a head, query heads by key heads; loss depends little on them within a factor of two
(Kaplan et al., 2020, section 3.1). And the model fits the device with a micro-batch of one row, sharded if
there are several.
"""

from __future__ import annotations

import bisect
import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from prepcore.mixture.recipe import MANY_EPOCHS
from trainer.flops import LlamaSizes

STEP = 64
"""Widths are multiples of this, for which matrix products are fast."""


@dataclass(frozen=True)
class Bought:
    """What the operations of a budget buy.

    Attributes
    ----------
    sizes
        Of the model.
    tokens
        Of its run.
    limit
        What keeps it from being larger: the budget, the memory of a device, or the data.
    """

    sizes: LlamaSizes
    tokens: int
    limit: str


WIDEST = 16384
"""Width of the largest model of a family, that of Llama 3.1 405B."""


def family(shape: LlamaSizes) -> list[LlamaSizes]:
    """List models of the proportions of one, the smallest first.

    Widths go by the fast step, or by a group of heads; at each, the depth may be a fifth off the proportion.
    """
    by_depth = shape.width / shape.layers
    by_width = shape.inner_width / shape.width
    shared = shape.heads // shape.shared_heads
    step = math.lcm(shape.head_width * shared, STEP)

    def models() -> Iterator[LlamaSizes]:
        for width in range(step, WIDEST + 1, step):
            heads, middle = width // shape.head_width, width / by_depth
            for layers in range(max(2, math.ceil(middle / 1.2)), max(2, math.floor(middle * 1.2)) + 1):
                yield dataclasses.replace(
                    shape,
                    layers=layers,
                    width=width,
                    inner_width=max(STEP, round(by_width * width / STEP) * STEP),
                    heads=heads,
                    shared_heads=heads // shared,
                )

    return sorted(models(), key=lambda sizes: sizes.parameters)


def largest(
    shape: LlamaSizes,
    *,
    operations: float,
    tokens_per_parameter: float,
    length: int,
    fits: Callable[[LlamaSizes], bool],
    tokens_there: int | None,
) -> Bought | None:
    """Return the largest model whose compute-optimal run costs at most so many operations.

    Parameters
    ----------
    shape
        Whose proportions are kept.
    operations
        Floating-point operations that can be had.
    tokens_per_parameter
        What is compute-optimal.
    length
        Tokens in a row.
    fits
        Whether a model fits the devices.
    tokens_there
        Tokens that the data holds, which may come up to four times; None where there is no data yet.

    Returns
    -------
    Bought or None
        None where not even the smallest of the family can be had.
    """

    def payable(sizes: LlamaSizes) -> bool:
        tokens = tokens_per_parameter * sizes.parameters
        return sizes.flops_per_token(length) * tokens <= operations

    def fed(sizes: LlamaSizes) -> bool:
        enough = tokens_per_parameter * sizes.parameters
        return tokens_there is None or enough <= MANY_EPOCHS * tokens_there

    models = family(shape)
    # Each of these holds for the models up to a size, and for none beyond.
    ends = {
        "the budget": _end(models, payable),
        f"the data, which comes {MANY_EPOCHS} times at most": _end(models, fed),
        "the memory of a device": _end(models, fits),
    }
    limit, end = min(ends.items(), key=lambda item: item[1])
    if end == 0:
        return None
    sizes = models[end - 1]
    tokens = round(tokens_per_parameter * sizes.parameters)
    if limit == "the budget":
        # The next of the family would cost too much, so what is left goes into tokens.
        tokens = int(operations / sizes.flops_per_token(length))
        if tokens_there is not None:
            tokens = min(tokens, MANY_EPOCHS * tokens_there)
    return Bought(sizes, tokens, limit)


def _end(models: Sequence[LlamaSizes], holds: Callable[[LlamaSizes], bool]) -> int:
    """Return how many models, the smallest first, something holds for."""
    return bisect.bisect_left(models, True, key=lambda sizes: not holds(sizes))
