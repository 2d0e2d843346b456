"""What the layers keep of a micro-batch for the way back, tensor by tensor.

The counts are those of the tensors that autograd holds after the forward pass of
:class:`~trainer.model.LlamaModule`, derived from the operations of a layer and held equal to the real ones,
byte by byte, by ``tests/trainer/test_plan_memory.py``. With d the width, I the inner width, h and k the
widths of all query and of all key heads, H the query heads, S the length of a row, and an element of 4 bytes,
or of 2 under bf16, a token costs in a layer that is not compiled::

    residual      4·2·d            what enters the layer, and what enters its feed-forward half
    norms         4·2·(d + 1)      normalised, before the gain, and the root; two norms
                  fp32 4·2·d       after the gain, read by the projections
                  bf16 2·5·d       cast once for each of q, k, v, gate, up
    attention     e·(2·h + 2·k)    rotated queries and keys, values, the output
                  4·H              the logarithm of the sum of the weights
    feed-forward  e·4·I            gate, its activation, up, their product

and in a compiled one, where the partitioner of PyTorch recomputes what is elementwise::

    residual      4·d + e·d        the second stream is a sum with the output of the attention, kept instead
    norms         4·2 + e·2·d
    attention     as above
    feed-forward  e·3·I            the activation is recomputed
"""

from __future__ import annotations

from dataclasses import dataclass

from trainer.flops import LlamaSizes
from trainer.plan.computation import Computation


@dataclass(frozen=True)
class Kept:
    """Bytes that one layer keeps.

    Attributes
    ----------
    residual, norms, attention, feed_forward
        A token, in bytes.
    """

    residual: float
    norms: float
    attention: float
    feed_forward: float

    @property
    def total(self) -> float:
        """Bytes a token."""
        return self.residual + self.norms + self.attention + self.feed_forward


def layer_keeps(sizes: LlamaSizes, how: Computation, length: int) -> Kept:
    """Return what a layer keeps of a token that is not recomputed."""
    element, width = how.element, sizes.width
    if how.compiled:
        return Kept(
            residual=4 * width + element * width,
            norms=8 + element * 2 * width,
            attention=attention_keeps(sizes, how, length),
            feed_forward=element * 3 * sizes.inner_width,
        )
    gained = 2 * 5 * width if how.half else 4 * 2 * width
    return Kept(
        residual=4 * 2 * width,
        norms=4 * 2 * (width + 1) + gained,
        attention=attention_keeps(sizes, how, length),
        feed_forward=element * 4 * sizes.inner_width,
    )


def attention_keeps(sizes: LlamaSizes, how: Computation, length: int) -> float:
    """Return what the attention of a layer keeps of a token, by back end."""
    element, queries, heads = how.element, sizes.attention_width, sizes.heads
    keys = sizes.shared_heads * sizes.head_width
    if how.attention == "eager":
        # Keys and values are repeated for each query head; the weights are kept, in fp32 and as multiplied.
        weights = heads * length * (4 + 2 * how.half)
        return element * 4 * queries + weights + (length if how.packed else 0)
    plain = element * (2 * queries + 2 * keys) + 4 * heads
    if how.attention != "sdpa" or not how.packed:
        return plain
    # A mask of a byte a pair becomes a bias of an element a pair, anew in each layer.
    bias = element * length
    if how.device == "cpu":
        return plain + bias
    return plain + bias + element * 2 * (queries - keys)  # with a mask, kernels for CUDA share no heads


def layer_frees(sizes: LlamaSizes, how: Computation) -> float:
    """Return what a layer makes of a token on the way forward and frees at once, in bytes.

    Two squares for the norms, the outputs of the attention and of the feed-forward half before they are
    added; queries and keys before they are rotated, and three and a half tensors of their size in between;
    with `split` the keys and values repeated for the query heads. In a compiled layer, those two outputs and
    the repeated.
    """
    element, width, queries = how.element, sizes.width, sizes.attention_width
    keys = sizes.shared_heads * sizes.head_width
    repeated = element * 2 * queries if how.attention == "split" and keys < queries else 0
    if how.compiled:
        return 2 * element * width + repeated
    return (
        4 * 2 * width
        + 2 * element * width
        + 4 * 3.5 * (queries + keys)
        + element * (queries + keys)
        + repeated
    )


def layer_works(sizes: LlamaSizes, how: Computation, length: int) -> tuple[float, float]:
    """Return what the way back through a layer holds for a moment, beyond what was kept, in bytes a token.

    Returns
    -------
    tuple
        In the feed-forward half, where everything of the layer is still kept: two gradients of the residual
        stream, and of gate and up, or of the two factors of the product. In the attention, where the
        feed-forward half is gone: the gradients of queries, keys, values and output, and with `eager` those
        of the weights, before and after the softmax.
    """
    element, residual = how.element, 4 * 2 * sizes.width
    keys = sizes.shared_heads * sizes.head_width
    attention = element * (2 * sizes.attention_width + 2 * keys)
    if how.attention == "eager":
        attention += 2 * 4 * sizes.heads * length
    if how.attention == "split":
        attention += (
            element * 4 * (sizes.attention_width - keys)
        )  # repeated for the kernel, and their gradients
    return residual + element * 2 * sizes.inner_width, residual + attention


def outside_keeps(sizes: LlamaSizes, how: Computation, *, rows: int, length: int) -> float:
    """Return what lies outside the layers for a micro-batch, in bytes, the loss apart.

    The input of the last norm and the same normalised; the rotary embedding's cosines and sines; the ids, the
    positions, the targets and the batch they came from.
    """
    tokens = rows * length
    rotary = 4 * 2 * sizes.head_width * (tokens if how.packed else length)
    mask = rows * length * length if how.packed and how.attention in ("eager", "sdpa") else 0
    return 4 * (2 * sizes.width + 1) * tokens + rotary + mask + 8 * 4 * tokens
