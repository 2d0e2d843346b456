"""Attention that keeps the documents of a packed row apart.

A packed row holds several documents. Restarting position ids alone separate them in stock transformers
only under conditions that are easy to lose in silence (no 2-D mask, no cache, eager or SDPA attention), so
the trainer registers an attention of its own. An attention registered without a mask function is handed no
mask by transformers at all: isolation is entirely what :func:`packed_attention` does with ``document_mask``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

PACKED = "packed_documents"


def document_mask(position_ids: Tensor) -> Tensor:
    """Say which positions of a packed row may see which: earlier ones of their own document.

    Parameters
    ----------
    position_ids
        Position within the document, shape ``(rows, length)``; zero begins a document.

    Returns
    -------
    Tensor
        Booleans of shape ``(rows, 1, length, length)``, query by key; causal within each document.
    """
    document = (position_ids == 0).cumsum(dim=1)  # (rows, length), counted within the row
    length = position_ids.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=position_ids.device).tril()
    return ((document[:, :, None] == document[:, None, :]) & causal)[:, None]


def packed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    scaling: float,
    dropout: float = 0.0,
    document_mask: Tensor | None = None,
    **other: Any,
) -> tuple[Tensor, None]:
    """Attend within documents where a document mask is given, and plainly causal where none is.

    Parameters
    ----------
    module
        The attention layer.
    query
        Shape ``(rows, heads, length, head width)``.
    key, value
        Shape ``(rows, key-value heads, length, head width)``.
    attention_mask
        A 4-D mask, used when there is no document mask; generation passes none.
    scaling
        Factor of the scores.
    dropout
        Share of the attention weights that is dropped.
    document_mask
        As :func:`document_mask` makes it, once for all layers.

    Returns
    -------
    tuple
        Output of shape ``(rows, length, heads, head width)``, and no weights.
    """
    if document_mask is None:
        output: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **other
        )
        return output
    attended = F.scaled_dot_product_attention(
        query, key, value, attn_mask=document_mask, dropout_p=dropout, scale=scaling, enable_gqa=True
    )
    return attended.transpose(1, 2).contiguous(), None


AttentionInterface.register(PACKED, packed_attention)
