"""AdamW with weight decay on matrices only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from trainer.config import OptimizerConfig


def parameter_groups(
    model: nn.Module, *, weight_decay: float, decay_embeddings: bool
) -> list[dict[str, object]]:
    """Split the parameters of a model into those that decay and those that do not.

    Weight decay pulls the scale of a matrix down, which the normalisation after it makes harmless; on gains
    and biases it would act on the function itself, so they are left out (as GPT-2 and Llama training do).

    Parameters
    ----------
    model
        Tied parameters appear once, as :meth:`torch.nn.Module.parameters` gives them.
    weight_decay
        Decay of the matrices.
    decay_embeddings
        Whether embedding tables (and an output head tied to them) decay too.
    """
    embeddings = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    decaying: list[nn.Parameter] = []
    constant: list[nn.Parameter] = []
    for parameter in model.parameters():
        decays = parameter.ndim >= 2 and (decay_embeddings or id(parameter) not in embeddings)
        (decaying if decays else constant).append(parameter)
    return [
        {"params": decaying, "weight_decay": weight_decay},
        {"params": constant, "weight_decay": 0.0},
    ]


def build_optimizer(model: nn.Module, config: OptimizerConfig) -> torch.optim.AdamW:
    """Build AdamW (Loshchilov and Hutter, 2019) for a model already on its device.

    The learning rate is set before every step from the schedule, so the one given here never acts.
    """
    device = next(model.parameters()).device
    return torch.optim.AdamW(
        parameter_groups(model, weight_decay=config.weight_decay, decay_embeddings=config.decay_embeddings),
        lr=config.learning_rate,
        betas=config.betas,
        eps=config.epsilon,
        fused=device.type in ("cpu", "cuda"),
    )
