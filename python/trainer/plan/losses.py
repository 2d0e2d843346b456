"""What the loss holds of a micro-batch, by its way: see :mod:`trainer.loss`.

With n tokens, V the vocabulary, d the width, c the positions of a chunk and e the bytes of an element; under
bf16 the whole way keeps the output matrix in bf16, too, 2·V·d::

                   forward                               kept               backward, beside what is kept
    chunked fp32   3·4·c·V                               4·n·d + 4·V·d      4·n·d + 4·V·d
    chunked bf16   14·c·V + 2·2·V·d                      the same           the same
    whole          2·4·n·V                               4·n·V + e·n·d      2·4·n·V
    whole compiled e·n·V                                 e·n·V + e·n·d      e·n·V

The chunked way has its gradients ready when it returns: that of the hidden states and that of the output
matrix are what it keeps. Of a chunk it holds the logits and their softmax, and still the softmax of the chunk
before. The whole way holds logits and logarithms of the shares, on the way back these, their gradient and
that of the logits.
"""

from __future__ import annotations

from dataclasses import dataclass

from trainer.flops import LlamaSizes
from trainer.plan.computation import Computation


@dataclass(frozen=True)
class LossHolds:
    """Bytes that the loss holds of a micro-batch.

    Attributes
    ----------
    forward
        At its fullest, on the way forward, with what is kept of it.
    kept
        Between the two ways.
    backward
        At its fullest, on the way back, with what was kept.
    """

    forward: float
    kept: float
    backward: float


def loss_holds(sizes: LlamaSizes, how: Computation, tokens: int) -> LossHolds:
    """Return what the loss holds of a micro-batch of so many tokens."""
    vocabulary, width, element = sizes.vocabulary, sizes.width, how.element
    matrix, states = vocabulary * width, tokens * width
    if how.loss(tokens, vocabulary) == "chunked":
        chunk = how.chunk(tokens, vocabulary) * vocabulary
        kept = 4.0 * states + 4.0 * matrix
        # With bf16 the output matrix is cast, and so is each chunk's part of its gradient.
        working = 14.0 * chunk + 2 * 2.0 * matrix if how.half else 3 * 4.0 * chunk
        # The hidden states themselves are there until the loss returns.
        return LossHolds(forward=kept + working + 4.0 * states, kept=kept, backward=2 * kept)
    logits = tokens * vocabulary
    kept_states = float(element * states) + (2.0 * matrix if how.half else 0.0)
    gradient = 4.0 * matrix + (
        2.0 * matrix if how.half else 0.0
    )  # of the output matrix, made on the way back
    if how.compiled:
        kept = element * logits + kept_states
        return LossHolds(kept, kept, kept + element * logits + gradient)
    kept = 4.0 * logits + kept_states
    return LossHolds(kept + 4.0 * logits, kept, max(kept + 8.0 * logits, kept + 4.0 * logits + gradient))
