"""Where the documents of packed rows begin and end, in the form that each attention wants it.

Positions say it: they count on by one within a document, and where they do not, another begins. The padding
of a row is a document of its own, and so is each row: nothing is ever seen across rows.
"""

from __future__ import annotations

import torch
from torch import Tensor


def begins(position_ids: Tensor) -> Tensor:
    """Say which tokens begin a document.

    Parameters
    ----------
    position_ids
        Position within the document, shape ``(rows, length)``.

    Returns
    -------
    Tensor
        Booleans of the same shape; the first of each row is true.
    """
    first = torch.ones_like(position_ids[:, :1], dtype=torch.bool)
    return torch.cat([first, position_ids[:, 1:] != position_ids[:, :-1] + 1], dim=1)


def document_mask(position_ids: Tensor) -> Tensor:
    """Say which positions of a packed row may see which: earlier ones of their own document.

    Returns
    -------
    Tensor
        Booleans of shape ``(rows, 1, length, length)``, query by key; causal within each document.
    """
    document = begins(position_ids).cumsum(dim=1)  # (rows, length), counted within the row
    length = position_ids.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=position_ids.device).tril()
    return ((document[:, :, None] == document[:, None, :]) & causal)[:, None]


def document_borders(position_ids: Tensor) -> Tensor:
    """List the borders of the documents of a micro-batch, all rows in one line, as varlen kernels want it.

    The list is made as long as the next power of two and one, the last border repeated, which stands for
    documents of no length: micro-batches then have few shapes between them, so that a compiled layer is not
    compiled for each. Counting the documents waits for the device, so it is best called before a batch is
    moved there.

    Parameters
    ----------
    position_ids
        Position within the document, shape ``(..., rows, length)``; leading dimensions are micro-batches.

    Returns
    -------
    Tensor
        Places in the flattened rows, ascending from 0 to ``rows * length``, int32, shape ``(..., documents +
        1)``.
    """
    micro_batches = position_ids.shape[:-2]
    tokens = position_ids.shape[-2] * position_ids.shape[-1]
    flags = begins(position_ids.flatten(0, -2)).view(-1, tokens)  # a micro-batch a line
    counts = flags.sum(dim=1)
    most = int(counts.max())
    size = (flags.shape[0], (1 << (most - 1).bit_length()) + 1)
    borders = torch.full(size, tokens, dtype=torch.int32, device=position_ids.device)
    line, place = flags.nonzero(as_tuple=True)
    column = torch.arange(len(place), device=place.device) - (counts.cumsum(0) - counts)[line]
    borders[line, column] = place.to(torch.int32)
    return borders.view(*micro_batches, -1)


def row_borders(rows: int, length: int, device: torch.device) -> Tensor:
    """List the borders of rows that are one text each, as :func:`document_borders` does."""
    return torch.arange(0, rows * length + 1, length, dtype=torch.int32, device=device)
