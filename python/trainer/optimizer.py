"""AdamW with weight decay on matrices only, alone or with Muon for the matrices of the layers.

All of them obey ``found_inf``, a scalar on the device: where it is 1, a step leaves parameters, moments and
counters as they were, bit for bit, and nobody waits for the device to learn whether it was.
"""

from __future__ import annotations

from collections import ChainMap
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from trainer.config import OptimizerConfig

RATE_SHARE = "rate_share"
"""Key of a parameter group: what the learning rate of a step is multiplied with for it."""


def parameter_groups(
    model: nn.Module, *, weight_decay: float, decay_embeddings: bool
) -> list[dict[str, Any]]:
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
    embeddings = _embeddings(model)
    decaying: list[nn.Parameter] = []
    constant: list[nn.Parameter] = []
    for parameter in model.parameters():
        decays = parameter.ndim >= 2 and (decay_embeddings or id(parameter) not in embeddings)
        (decaying if decays else constant).append(parameter)
    return [
        {"params": decaying, "weight_decay": weight_decay},
        {"params": constant, "weight_decay": 0.0},
    ]


def hidden_matrices(model: nn.Module) -> list[nn.Parameter]:
    """List the matrices between the embedding and the output head, which Muon is for.

    The embedding and the head are left to AdamW, which is how Muon is used as a rule.
    """
    heads = {id(module.weight) for name, module in model.named_modules() if name.endswith("lm_head")}
    outer = _embeddings(model) | heads
    return [weight for weight in model.parameters() if weight.ndim == 2 and id(weight) not in outer]


def build_optimizer(model: nn.Module, config: OptimizerConfig) -> torch.optim.Optimizer:
    """Build the optimizer for a model already on its device.

    The learning rate is set before every step from the schedule, so the one given here never acts. Parameters
    that need no gradient are in no group.
    """
    groups = parameter_groups(
        model, weight_decay=config.weight_decay, decay_embeddings=config.decay_embeddings
    )
    for group in groups:
        group["params"] = [weight for weight in group["params"] if weight.requires_grad]
        group[RATE_SHARE] = 1.0
    if config.name == "adamw":
        return _adamw(groups, config)
    hidden = [weight for weight in hidden_matrices(model) if weight.requires_grad]
    taken = {id(weight) for weight in hidden}
    for group in groups:
        group["params"] = [weight for weight in group["params"] if id(weight) not in taken]
    rate = config.learning_rate if config.muon_learning_rate is None else config.muon_learning_rate
    muon = MaskedMuon(
        [{"params": hidden, RATE_SHARE: rate / config.learning_rate}],
        lr=rate,
        weight_decay=config.weight_decay,
        momentum=0.95 if config.muon_momentum is None else config.muon_momentum,
        nesterov=config.muon_nesterov is not False,
        # This scale is torch's for using AdamW's learning rate and decay for both.
        adjust_lr_fn="original" if config.muon_scale == "original" else "match_rms_adamw",
    )
    return MuonAndAdamW(muon, _adamw(groups, config))


class MaskedMuon(torch.optim.Muon):
    """Torch's Muon, made to obey ``found_inf``.

    A step goes matrix by matrix and keeps a copy of one at a time, which costs little beside the
    orthogonalisation.
    """

    found_inf: Tensor | None = None

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Move every matrix, or none where ``found_inf`` is 1."""
        groups = self.param_groups
        try:
            for group in groups:
                for weight in group["params"]:
                    if weight.grad is not None:
                        self.param_groups = [{**group, "params": [weight]}]
                        self._step_one(weight)
        finally:
            self.param_groups = groups

    def _step_one(self, weight: Tensor) -> None:
        state = self.state[weight]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(weight)
        before = None
        if self.found_inf is not None:
            before = (weight.clone(), state["momentum_buffer"].clone())
        super().step()
        if before is not None and self.found_inf is not None:
            skipped = self.found_inf.bool()
            weight.copy_(torch.where(skipped, before[0], weight))
            state["momentum_buffer"].copy_(torch.where(skipped, before[1], state["momentum_buffer"]))


class States(ChainMap[Any, Any]):
    """The states of several optimizers as one mapping, in which each keeps what is its own.

    A plain chain would write into the first one, and read from a ``defaultdict`` what is not in it.
    """

    def __getitem__(self, key: Any) -> Any:
        """Return the state of a parameter."""
        return self._of(key)[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        """Replace the state of a parameter where it lies."""
        self._of(key)[key] = value

    def _of(self, key: Any) -> Any:
        for part in self.maps:
            if key in part:
                return part
        raise KeyError(key)


class MuonAndAdamW(torch.optim.Optimizer):
    """Two optimizers that step, are saved and are read back as one.

    Parameters
    ----------
    muon, adamw
        Their parameter groups, in this order, are the groups of both together, not copies.
    """

    def __init__(self, muon: MaskedMuon, adamw: torch.optim.AdamW) -> None:
        self.parts = {"muon": muon, "adamw": adamw}
        self.found_inf: Tensor | None = None
        super().__init__([*muon.param_groups, *adamw.param_groups], {})
        self._link()

    def _link(self) -> None:
        self.param_groups = [group for part in self.parts.values() for group in part.param_groups]
        self.state = States(*(part.state for part in self.parts.values()))  # type: ignore[assignment]

    def step(self, closure: Any = None) -> Any:
        """Step both; neither moves where ``found_inf`` is 1."""
        loss = closure() if closure is not None else None
        for part in self.parts.values():
            part.found_inf = self.found_inf  # type: ignore[attr-defined]
            part.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Return the state of each under its name."""
        return {name: part.state_dict() for name, part in self.parts.items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the state of each."""
        for name, part in self.parts.items():
            part.load_state_dict(state_dict[name])
        self._link()


def _adamw(groups: list[dict[str, Any]], config: OptimizerConfig) -> torch.optim.AdamW:
    """Build AdamW; only the fused kind obeys ``found_inf``."""
    return torch.optim.AdamW(
        groups, lr=config.learning_rate, betas=config.betas, eps=config.epsilon, fused=True
    )


def _embeddings(model: nn.Module) -> set[int]:
    return {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
