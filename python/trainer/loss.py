"""Cross-entropy over the vocabulary in two ways: a chunk of the logits at a time, or all of them at once.

For a vocabulary of 32,000 the logits of one micro-batch, their softmax and its gradient are larger than
everything else a step holds. In the memory-bound way they exist for a few hundred positions at a time: the
gradient with respect to the hidden states and to the output matrix is made in the forward pass, chunk by
chunk, and only scaled in the backward pass (the scheme of Liger Kernel's fused linear cross-entropy, Hsu et
al., 2024). The speed-bound way has all logits at once, compiled with the output matrix where layers are.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from trainer.choices import choose_loss as choose_loss  # whoever computes a loss chooses it
from trainer.choices import chunk_rows

IGNORED = -100  # the target that counts for nothing, as in torch and transformers


def shift_targets(labels: Tensor) -> Tensor:
    """Return the next token of each position; the last position of a row has none.

    Parameters
    ----------
    labels
        Token ids, shape ``(rows, length)``; :data:`IGNORED` where nothing is to be predicted.
    """
    return F.pad(labels[:, 1:], (0, 1), value=IGNORED)


def cross_entropy_sum(hidden: Tensor, head: Tensor, targets: Tensor) -> Tensor:
    """Sum of the cross-entropy over all targets, in nats, a chunk of the logits at a time.

    Parameters
    ----------
    hidden
        Final hidden states, shape ``(positions, width)``.
    head
        Output matrix, shape ``(vocabulary, width)``.
    targets
        Token ids, shape ``(positions,)``; :data:`IGNORED` positions add nothing.

    Returns
    -------
    Tensor
        A scalar in fp32; zero, with zero gradients, when there is no target at all.
    """
    if torch.is_grad_enabled() and (hidden.requires_grad or head.requires_grad):
        total: Tensor = _ChunkedCrossEntropy.apply(hidden, head, targets)
        return total
    compute = _compute_dtype(hidden)
    total = hidden.new_zeros((), dtype=torch.float32)
    size = chunk_rows(hidden.device.type, head.shape[0])
    with torch.autocast(hidden.device.type, enabled=False):
        head = head.to(compute)
        for rows, wanted in zip(hidden.split(size), targets.split(size), strict=True):
            logits = (rows.to(compute) @ head.T).float()
            total += F.cross_entropy(logits, wanted, ignore_index=IGNORED, reduction="sum")
    return total


def whole_cross_entropy_sum(hidden: Tensor, head: Tensor, targets: Tensor) -> Tensor:
    """Sum of the cross-entropy over all targets, with all logits at once; see :func:`cross_entropy_sum`."""
    logits = F.linear(hidden, head).float()  # (positions, vocabulary)
    return F.cross_entropy(logits, targets, ignore_index=IGNORED, reduction="sum")


@cache
def compiled_cross_entropy_sum() -> Any:
    """Return :func:`whole_cross_entropy_sum`, compiled at its first use."""
    return torch.compile(whole_cross_entropy_sum)


def _compute_dtype(hidden: Tensor) -> torch.dtype:
    """Return the type that autocast would give a matrix product here."""
    device = hidden.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype


class _ChunkedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, head: Tensor, targets: Tensor) -> Tensor:
        compute = _compute_dtype(hidden)
        total = hidden.new_zeros((), dtype=torch.float32)
        hidden_gradient = torch.empty_like(hidden)
        head_gradient = torch.zeros_like(head, dtype=torch.float32)
        size = chunk_rows(hidden.device.type, head.shape[0])
        with torch.autocast(hidden.device.type, enabled=False):
            matrix = head.to(compute)
            for start in range(0, hidden.shape[0], size):
                chunk = slice(start, start + size)
                rows, wanted = hidden[chunk].to(compute), targets[chunk]
                counted = (wanted != IGNORED).unsqueeze(1)
                index = wanted.unsqueeze(1).where(counted, 0)
                shares = (rows @ matrix.T).float().log_softmax(dim=1)  # (chunk, vocabulary)
                total -= shares.gather(1, index).where(counted, 0.0).sum()
                # d(loss)/d(logits) = softmax - one-hot, and nothing where there is no target; that is left to
                # the narrow factors below, which saves a pass over the vocabulary.
                slope = shares.exp_()
                slope.scatter_add_(1, index, slope.new_full(index.shape, -1.0))
                slope = slope.to(compute)
                hidden_gradient[chunk] = (slope @ matrix).where(counted, 0.0)
                rows = rows.where(counted, 0.0)
                if compute == torch.float32:
                    head_gradient.addmm_(slope.T, rows)
                else:
                    head_gradient += slope.T @ rows
        ctx.save_for_backward(hidden_gradient, head_gradient.to(head.dtype))
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        hidden_gradient, head_gradient = ctx.saved_tensors
        (scale,) = gradients
        return hidden_gradient * scale, head_gradient * scale, None
