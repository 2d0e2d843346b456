"""Attention that keeps the documents of a packed row apart, in four ways that compute the same.

============ ======================================================================= ===================
back end     what it does                                                            where
============ ======================================================================= ===================
``eager``    products and a softmax in plain operations, with a mask                 everywhere; referee
``sdpa``     PyTorch's fused attention, with a mask if there are documents           everywhere
``split``    each document on its own, in blocks (`trainer.attention_split`)         CPU; no dropout
``varlen``   variable-length flash attention (`torch.nn.attention.varlen`)           CUDA, bf16; no dropout
============ ======================================================================= ===================

Each is registered with transformers under a name of its own. In stock transformers, positions that restart
keep documents apart only without a 2-D mask *and* without a cache; else they leak in silence. Here
:class:`~trainer.model.LlamaModule` says with ``isolated=True`` that its mask or borders hold all there is to
hold apart. Whoever calls the model in another way gets the mask that transformers makes, and the positions
are looked at here: documents that it would let through are held apart, or the call is refused.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from trainer import documents
from trainer.attention_split import split_attention

BACK_ENDS = ("eager", "sdpa", "split", "varlen")
WITH_BORDERS = ("split", "varlen")
"""The back ends that are told the borders of documents; the others are given a mask."""
PREFIX = "trainer_"
"""What a back end's name begins with among transformers' own."""

Attended = tuple[Tensor, None]


def eager(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, *, scaling: float, dropout: float
) -> Tensor:
    """Attend in plain operations; see :func:`attend` for the shapes."""
    heads, length = query.shape[1:3]
    if mask is None:
        mask = torch.ones(length, length, dtype=torch.bool, device=query.device).tril()
    key, value = (_for_each_query_head(tensor, heads) for tensor in (key, value))
    scores = (query @ key.transpose(2, 3) * scaling).masked_fill(~mask, float("-inf"))
    weights = F.dropout(scores.softmax(dim=-1, dtype=torch.float32).to(value.dtype), dropout)
    return (weights @ value).transpose(1, 2)


def sdpa(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, *, scaling: float, dropout: float
) -> Tensor:
    """Attend with PyTorch's fused operator; see :func:`attend` for the shapes."""
    grouped = mask is None or query.device.type == "cpu"
    if not grouped:
        # With a mask, kernels for CUDA take no shared heads, and what does is slow.
        key, value = (_for_each_query_head(tensor, query.shape[1]) for tensor in (key, value))
    attended = F.scaled_dot_product_attention(
        query, key, value, mask, dropout, is_causal=mask is None, scale=scaling, enable_gqa=grouped
    )
    return attended.transpose(1, 2)


def split(query: Tensor, key: Tensor, value: Tensor, borders: Tensor, *, scaling: float) -> Tensor:
    """Attend document by document on a CPU; see :func:`attend` for the shapes."""
    return split_attention(*_autocast(query, key, value), borders, scaling)[0]


def varlen(query: Tensor, key: Tensor, value: Tensor, borders: Tensor, *, scaling: float) -> Tensor:
    """Attend with variable-length flash attention on CUDA; see :func:`attend` for the shapes."""
    from torch.nn.attention.varlen import varlen_attn

    rows, _, length, _ = query.shape
    # (rows, heads, length, width) -> (rows * length, heads, width): all documents in one line
    query, key, value = (tensor.transpose(1, 2).flatten(0, 1) for tensor in _autocast(query, key, value))
    attended = varlen_attn(
        query,
        key,
        value,
        borders,
        borders,  # the same object: cuDNN is causal over packed documents only then
        length,  # the longest that a document can be, whatever is in the batch
        length,
        scale=scaling,
        window_size=(-1, 0),
        enable_gqa=True,
    )
    assert isinstance(attended, Tensor)  # a pair only where more was asked for
    return attended.unflatten(0, (rows, length))


def attend(
    back_end: str,
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    scaling: float,
    dropout: float = 0.0,
    isolated: bool = False,
    borders: Tensor | None = None,
    document_mask: Tensor | None = None,
    **other: Any,
) -> Attended:
    """Attend with a back end; this is what a decoder layer calls.

    Parameters
    ----------
    back_end
        One of :data:`BACK_ENDS`.
    module
        The attention layer.
    query
        Shape ``(rows, heads, length, head width)``.
    key, value
        Shape ``(rows, key-value heads, length, head width)``.
    attention_mask
        The mask that transformers made, where the model was called in another way than by `LlamaModule`.
    scaling
        Factor of the scores.
    dropout
        Share of the attention weights that is dropped.
    isolated
        Whether what is to be held apart is said by the borders or the mask; without a mask, attention is
        plainly causal.
    borders
        As :func:`trainer.documents.document_borders` lists them, for `split` and `varlen`.
    document_mask
        As :func:`trainer.documents.document_mask` makes it, for `eager` and `sdpa`.

    Returns
    -------
    tuple
        Output of shape ``(rows, length, heads, head width)``, and no weights.
    """
    if not isolated:
        return guarded(module, query, key, value, attention_mask, scaling=scaling, dropout=dropout, **other)
    if back_end in WITH_BORDERS:
        if dropout or borders is None:
            raise ValueError(f"{back_end} attention needs borders and no dropout, got dropout {dropout}")
        attended = (split if back_end == "split" else varlen)(query, key, value, borders, scaling=scaling)
    else:
        dense = eager if back_end == "eager" else sdpa
        attended = dense(query, key, value, document_mask, scaling=scaling, dropout=dropout)
    return attended.contiguous(), None


def guarded(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    position_ids: Tensor | None = None,
    use_cache: bool | None = None,
    **other: Any,
) -> Attended:
    """Attend as stock transformers does, with documents held apart that it would let see each other.

    Raises
    ------
    ValueError
        When a cache takes part: the documents in it could not be told apart when it is used.
    """
    length = query.shape[2]
    if position_ids is not None and length > 1:
        restarts = documents.begins(position_ids.expand(query.shape[0], -1))[:, 1:]
        if bool(restarts.any()):
            cached = bool(use_cache) or key.shape[2] != length
            attention_mask = _held_apart(attention_mask, position_ids, query, cached)
    attended: Attended = sdpa_attention_forward(
        module, query, key, value, attention_mask, use_cache=use_cache, **other
    )
    return attended


def _held_apart(mask: Tensor | None, position_ids: Tensor, query: Tensor, cached: bool) -> Tensor | None:
    """Take from a mask what one document sees of another."""
    rows, _, length, _ = query.shape
    apart = documents.document_mask(position_ids.expand(rows, -1))
    if mask is None:
        visible = torch.ones(length, length, dtype=torch.bool, device=query.device).tril()
    else:
        visible = mask if mask.dtype == torch.bool else mask > torch.finfo(mask.dtype).min
    if visible.shape[-1] == length:
        # Positions of padding restart as well, but nothing sees it, and what it sees itself is of no account.
        tokens = visible.diagonal(dim1=-2, dim2=-1)[..., None]
        if not bool((visible & tokens & ~apart).any()):
            return mask
    if cached:
        raise ValueError(
            "the positions restart within a row, so it holds several documents, which a cache cannot tell "
            "apart: call the model with use_cache=False and without a cache"
        )
    if mask is None or mask.dtype == torch.bool:
        return visible & apart
    return mask.masked_fill(~apart, float("-inf"))


def _for_each_query_head(tensor: Tensor, heads: int) -> Tensor:
    """Repeat the heads of keys or values for the query heads that share them."""
    shared = tensor.shape[1]
    return tensor if shared == heads else tensor.repeat_interleave(heads // shared, dim=1)


def _autocast(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Give tensors the type that autocast would give them, which knows PyTorch's own operators only."""
    kind = tensors[0].device.type
    if not torch.is_autocast_enabled(kind):
        return tensors
    dtype = torch.get_autocast_dtype(kind)
    return tuple(tensor.to(dtype) for tensor in tensors)


for _name in BACK_ENDS:
    AttentionInterface.register(PREFIX + _name, partial(attend, _name))
    # Asked for only where a call does not come from `LlamaModule`.
    AttentionMaskInterface.register(PREFIX + _name, sdpa_mask)
