from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from trainer.choices import CHUNK_ROWS, WHOLE_LOGITS, choose_loss
from trainer.loss import (
    IGNORED,
    compiled_cross_entropy_sum,
    cross_entropy_sum,
    whole_cross_entropy_sum,
)

WAYS = {
    "chunked": cross_entropy_sum,
    "whole": whole_cross_entropy_sum,
    "compiled": lambda *tensors: compiled_cross_entropy_sum()(*tensors),
}


@pytest.mark.parametrize(
    ("way", "positions"),
    [("chunked", 1), ("chunked", 255), ("chunked", 256), ("chunked", 700), ("whole", 700), ("compiled", 300)],
)
def test_loss_and_gradients_equal_the_plain_ones(way: str, positions: int) -> None:
    torch.manual_seed(positions)
    hidden = torch.randn(positions, 24, requires_grad=True)
    head = torch.randn(50, 24, requires_grad=True)
    targets = torch.randint(0, 50, (positions,))
    targets[::3] = IGNORED
    ours = WAYS[way](hidden, head, targets)
    wanted = F.cross_entropy(hidden @ head.T, targets, ignore_index=IGNORED, reduction="sum")
    torch.testing.assert_close(ours, wanted)
    found = torch.autograd.grad(ours * 0.37, [hidden, head])
    for gradient, reference in zip(found, torch.autograd.grad(wanted * 0.37, [hidden, head]), strict=True):
        torch.testing.assert_close(gradient, reference, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        torch.testing.assert_close(cross_entropy_sum(hidden, head, targets), wanted)


@pytest.mark.parametrize("way", ["chunked", "whole"])
def test_no_targets_is_zero_with_zero_gradients(way: str) -> None:
    hidden = torch.randn(300, 8, requires_grad=True)
    head = torch.randn(20, 8, requires_grad=True)
    loss = WAYS[way](hidden, head, torch.full((300,), IGNORED))
    assert loss.item() == 0.0
    for gradient in torch.autograd.grad(loss, [hidden, head]):
        assert not gradient.any()


@pytest.mark.parametrize("way", ["chunked", "whole"])
def test_autocast_computes_in_bf16_and_sums_in_fp32(way: str) -> None:
    torch.manual_seed(0)
    hidden = torch.randn(300, 16, requires_grad=True)
    head = torch.randn(40, 16, requires_grad=True)
    targets = torch.randint(0, 40, (300,))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = WAYS[way](hidden, head, targets)
    wanted = F.cross_entropy(hidden @ head.T, targets, reduction="sum")
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, wanted, rtol=5e-3, atol=0)
    loss.backward()
    assert head.grad is not None
    assert head.grad.dtype == torch.float32


def test_chunks_never_hold_the_logits() -> None:
    """The largest tensor that either direction makes is a chunk of logits, or the gradient of the matrix."""
    positions, vocabulary, width = 4 * CHUNK_ROWS, 4096, 8
    hidden = torch.randn(positions, width, requires_grad=True)
    head = torch.randn(vocabulary, width, requires_grad=True)
    targets = torch.randint(0, vocabulary, (positions,))
    largest = {}
    for way in ("chunked", "whole"):
        sizes = []

        class Watch(TorchDispatchMode):
            def __torch_dispatch__(self, function, types, args=(), kwargs=None, sizes=sizes):  # type: ignore[no-untyped-def]
                made = function(*args, **(kwargs or {}))
                sizes.extend(x.numel() for x in pytree.tree_leaves(made) if isinstance(x, torch.Tensor))
                return made

        with Watch():
            WAYS[way](hidden, head, targets).backward()
        largest[way] = max(sizes)
    assert largest == {"chunked": CHUNK_ROWS * vocabulary, "whole": positions * vocabulary}


def test_auto_has_all_logits_at_once_where_they_are_small_and_the_gpu_is_fast() -> None:
    small = {"positions": 1024, "vocabulary": 32_000, "device": "cuda", "compiled": True}
    assert choose_loss("auto", **small) == "whole"
    for change in ({"device": "cpu"}, {"compiled": False}, {"positions": WHOLE_LOGITS // 32_000 + 1}):
        assert choose_loss("auto", **{**small, **change}) == "chunked"
        assert choose_loss("whole", **{**small, **change}) == "whole"
    assert choose_loss("chunked", **small) == "chunked"
