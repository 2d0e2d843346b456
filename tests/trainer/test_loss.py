from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from trainer.loss import IGNORED, cross_entropy_sum


@pytest.mark.parametrize("positions", [1, 255, 256, 700])
def test_loss_and_gradients_equal_the_plain_ones(positions: int) -> None:
    torch.manual_seed(positions)
    hidden = torch.randn(positions, 24, requires_grad=True)
    head = torch.randn(50, 24, requires_grad=True)
    targets = torch.randint(0, 50, (positions,))
    targets[::3] = IGNORED
    ours = cross_entropy_sum(hidden, head, targets)
    wanted = F.cross_entropy(hidden @ head.T, targets, ignore_index=IGNORED, reduction="sum")
    torch.testing.assert_close(ours, wanted)
    found = torch.autograd.grad(ours * 0.37, [hidden, head])
    for gradient, reference in zip(found, torch.autograd.grad(wanted * 0.37, [hidden, head]), strict=True):
        torch.testing.assert_close(gradient, reference, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        torch.testing.assert_close(cross_entropy_sum(hidden, head, targets), wanted)


def test_no_targets_is_zero_with_zero_gradients() -> None:
    hidden = torch.randn(300, 8, requires_grad=True)
    head = torch.randn(20, 8, requires_grad=True)
    loss = cross_entropy_sum(hidden, head, torch.full((300,), IGNORED))
    assert loss.item() == 0.0
    for gradient in torch.autograd.grad(loss, [hidden, head]):
        assert not gradient.any()


def test_autocast_computes_in_bf16_and_sums_in_fp32() -> None:
    torch.manual_seed(0)
    hidden = torch.randn(300, 16, requires_grad=True)
    head = torch.randn(40, 16, requires_grad=True)
    targets = torch.randint(0, 40, (300,))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = cross_entropy_sum(hidden, head, targets)
    wanted = F.cross_entropy(hidden @ head.T, targets, reduction="sum")
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, wanted, rtol=5e-3, atol=0)
    loss.backward()
    assert head.grad is not None
    assert head.grad.dtype == torch.float32
