"""Attention on a CPU, document by document and in blocks: what lies above the diagonal is hardly computed.

PyTorch's kernel for CPUs, told that attention is causal, still computes nearly all of a row of 512 tokens and
masks half of it. Here each document is attended on its own, and one longer than 128 tokens in blocks of 128
queries, each over the keys up to its own end. Both directions are operators of their own, opaque to the
compiler, so that documents of any length are one graph, and each gradient is written once into its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

BLOCK = 128
"""Queries of a block: of 64 to 256 the fastest on rows of 512 tokens, and near it on short documents."""

_forward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_backward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward


@torch.library.custom_op("trainer::split_attention", mutates_args=())
def split_attention(
    query: Tensor, key: Tensor, value: Tensor, borders: Tensor, scaling: float
) -> tuple[Tensor, Tensor]:
    """Attend causally within each document.

    Parameters
    ----------
    query
        Shape ``(rows, heads, length, head width)``.
    key, value
        Shape ``(rows, key-value heads, length, head width)``; each is shared by as many query heads.
    borders
        Of the documents, as :func:`trainer.documents.document_borders` lists them.
    scaling
        Factor of the scores.

    Returns
    -------
    tuple
        The output, shape ``(rows, length, heads, head width)``, and the logarithm of the sum of the
        exponentiated scores, which the way back needs, shape ``(rows, heads, length)``, fp32.
    """
    rows, heads, length, width = query.shape
    key, value = _shared(key, heads), _shared(value, heads)
    output = query.new_empty(rows, length, heads, width)
    normalizer = query.new_empty(rows, heads, length, dtype=_normalizer_dtype(query.dtype))
    for row, queries, keys in _blocks(borders, rows, length):
        attended, sums = _forward(
            query[row, :, queries], key[row, :, keys], value[row, :, keys],
            **_masking(queries, keys, query.dtype), scale=scaling,
        )  # fmt: skip
        output[row, queries] = attended.transpose(1, 2)
        # The kernel says in its own way, (rows, length, heads) or turned, what it needs back the same.
        normalizer[row, :, queries] = sums
    return output, normalizer


@split_attention.register_fake
def _(query: Tensor, key: Tensor, value: Tensor, borders: Tensor, scaling: float) -> tuple[Tensor, Tensor]:
    rows, heads, length, width = query.shape
    return (
        query.new_empty(rows, length, heads, width),
        query.new_empty(rows, heads, length, dtype=_normalizer_dtype(query.dtype)),
    )


@torch.library.custom_op("trainer::split_attention_backward", mutates_args=())
def split_attention_backward(
    gradient: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    output: Tensor,
    normalizer: Tensor,
    borders: Tensor,
    scaling: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of query, key and value; see :func:`split_attention`."""
    rows, heads, length, _ = query.shape
    shared = key.shape[1]
    key, value = _shared(key, heads), _shared(value, heads)
    query_gradient = torch.empty_like(query, memory_format=torch.contiguous_format)
    key_gradient, value_gradient = torch.zeros_like(key), torch.zeros_like(value)
    for row, queries, keys in _blocks(borders, rows, length):
        of_query, of_key, of_value = _backward(
            gradient[row, queries].transpose(1, 2), query[row, :, queries], key[row, :, keys],
            value[row, :, keys], output[row, queries].transpose(1, 2), normalizer[row, :, queries],
            0.0, **_masking(queries, keys, query.dtype), scale=scaling,
        )  # fmt: skip
        query_gradient[row, :, queries] = of_query
        # Several blocks of queries see the same keys.
        key_gradient[row, :, keys] += of_key
        value_gradient[row, :, keys] += of_value
    return query_gradient, _summed(key_gradient, shared), _summed(value_gradient, shared)


@split_attention_backward.register_fake
def _(
    gradient: Tensor, query: Tensor, key: Tensor, value: Tensor, *rest: Any
) -> tuple[Tensor, Tensor, Tensor]:
    return tuple(torch.empty(x.shape, dtype=x.dtype, device=x.device) for x in (query, key, value))  # type: ignore[return-value]


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    query, key, value, borders, ctx.scaling = inputs
    ctx.save_for_backward(query, key, value, *output, borders)


def _differentiate(
    ctx: Any, gradient: Tensor, of_normalizer: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, None, None]:
    return (*split_attention_backward(gradient, *ctx.saved_tensors, ctx.scaling), None, None)


split_attention.register_autograd(_differentiate, setup_context=_save)


def _blocks(borders: Tensor, rows: int, length: int) -> Iterator[tuple[slice, slice, slice]]:
    """List rows, queries and keys of what is attended at once."""
    places = borders.tolist()
    if places == list(range(0, rows * length + 1, length)):
        documents = [(slice(0, rows), 0, length)]  # one document a row: all rows at once
    else:
        documents = []
        for start, end in pairwise(places):
            if start == end:
                continue
            row = start // length
            documents.append((slice(row, row + 1), start - row * length, end - row * length))
    for row, start, end in documents:
        for first in range(start, end, BLOCK):
            last = min(first + BLOCK, end)
            yield row, slice(first, last), slice(start, last)


def _masking(queries: slice, keys: slice, dtype: torch.dtype) -> dict[str, Any]:
    """Make attention causal: the first block of a document by the kernel itself, others with a mask."""
    before = queries.start - keys.start
    if before == 0:
        return {"is_causal": True}
    return {"is_causal": False, "attn_mask": _causal_mask(queries.stop - queries.start, before, dtype)}


@lru_cache(maxsize=64)
def _causal_mask(queries: int, before: int, dtype: torch.dtype) -> Tensor:
    """Return what is added to the scores of queries that follow ``before`` keys."""
    hidden = torch.full((queries, before + queries), float("-inf"), dtype=dtype)
    return hidden.triu(before + 1)


def _normalizer_dtype(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32


def _shared(tensor: Tensor, heads: int) -> Tensor:
    """Repeat the heads of keys or values for the query heads that share them."""
    return tensor if tensor.shape[1] == heads else tensor.repeat_interleave(heads // tensor.shape[1], dim=1)


def _summed(gradient: Tensor, heads: int) -> Tensor:
    """Add up what the query heads that share a head say of it."""
    if gradient.shape[1] == heads:
        return gradient
    return gradient.unflatten(1, (heads, -1)).sum(dim=2)
