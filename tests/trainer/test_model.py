from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import LlamaForCausalLM

from tests.trainer.models import tiny_llama
from trainer.config import OptimizerConfig
from trainer.loss import IGNORED
from trainer.model import LlamaModule


def module_of(model: LlamaForCausalLM) -> LlamaModule:
    return LlamaModule(model, optimizer=OptimizerConfig(), learning_rate=lambda step: 1e-3)


class OneStep:
    """Stands in for Lightning around a single training step."""

    def __init__(self, module: LlamaModule, monkeypatch: pytest.MonkeyPatch) -> None:
        optimizer: Any = module.configure_optimizers()
        trainer = type("Trainer", (), {"global_step": 0, "world_size": 1})()
        monkeypatch.setattr(module, "optimizers", lambda use_pl_optimizer=True: optimizer)
        monkeypatch.setattr(module, "manual_backward", lambda loss: loss.backward())
        monkeypatch.setattr(type(module), "trainer", trainer, raising=False)


@pytest.mark.parametrize("masked", [False, True])
def test_loss_equals_that_of_transformers(masked: bool) -> None:
    model = tiny_llama()
    ids = torch.randint(0, 96, (3, 40))
    labels = ids.clone()
    if masked:
        labels[:, 10:20] = IGNORED
    wanted = model(input_ids=ids, labels=labels).loss
    loss, targets = module_of(model).loss_sum({"input_ids": ids, "labels": labels})
    assert targets.item() == 3 * (29 if masked else 39)
    print("difference from transformers:", abs(loss / targets - wanted).item())
    torch.testing.assert_close(loss / targets, wanted, rtol=0, atol=1e-5)


def test_real_model_loss_equals_that_of_transformers(stories: Any) -> None:
    model = LlamaForCausalLM.from_pretrained(stories, dtype=torch.float32)
    torch.manual_seed(0)
    ids = torch.randint(3, 512, (2, 128))
    wanted = model(input_ids=ids, labels=ids).loss
    loss, targets = module_of(model).loss_sum({"input_ids": ids})
    print("difference from transformers:", abs(loss / targets - wanted).item())
    torch.testing.assert_close(loss / targets, wanted, rtol=0, atol=1e-5)


def test_micro_batches_do_not_change_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = torch.randint(0, 96, (8, 24))
    labels = ids.clone()
    labels[:2, 3:] = IGNORED  # short rows: a mean of means would weigh their tokens more
    losses, weights = [], []
    for micro_batches in (1, 2, 4, 8):
        model = tiny_llama()
        module = module_of(model)
        OneStep(module, monkeypatch)
        batch = {
            name: value.unflatten(0, (micro_batches, -1))
            for name, value in (("input_ids", ids), ("labels", labels))
        }
        module.training_step(batch, 0)
        assert module.step_loss is not None
        losses.append(module.step_loss)
        weights.append(torch.cat([parameter.detach().flatten() for parameter in model.parameters()]))
    for loss, weight in zip(losses[1:], weights[1:], strict=True):
        torch.testing.assert_close(loss, losses[0], rtol=1e-6, atol=1e-6)
        # Adam's first step is the sign of the gradient, which rounding may turn where it is almost zero.
        assert (weight - weights[0]).abs().gt(1e-5).float().mean() < 1e-3


def test_a_step_without_targets_is_zero_and_no_nan(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_llama()
    module = module_of(model)
    OneStep(module, monkeypatch)
    ids = torch.randint(0, 96, (2, 3, 12))
    module.training_step({"input_ids": ids, "labels": torch.full_like(ids, IGNORED)}, 0)
    assert module.step_loss is not None
    assert module.step_loss.item() == 0.0
    assert all(parameter.isfinite().all() for parameter in model.parameters())


def test_no_gradient_is_kept_into_the_next_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are as large as the weights, and would lie beside all that the next way forward keeps."""
    model = tiny_llama()
    module = module_of(model)
    OneStep(module, monkeypatch)
    kept = []
    model.model.register_forward_pre_hook(
        lambda *_: kept.append(sum(parameter.grad is not None for parameter in model.parameters()))
    )
    for step in range(2):
        module.training_step({"input_ids": torch.randint(0, 96, (1, 3, 12))}, step)
    assert kept == [0, 0]


def test_the_model_is_put_into_training_mode() -> None:
    assert module_of(tiny_llama().eval()).model.training
