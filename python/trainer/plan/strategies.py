"""What each device holds besides a micro-batch: weights, gradients, optimizer, and what sharding adds.

Bytes a parameter, of N devices, after Rajbhandari et al. (2020, *ZeRO*)::

                  weights   gradients     optimizer   gathered besides
    one device    4         4             8
    ddp           4         4             8
    zero2         4/N       4/N or 4      8/N         4: all weights, from the way forward on
    zero3         4/N       4/N or 4      8/N         4 of two layers, and of embedding, last norm and head

8 is AdamW's two moments. Muon has one, 4, for the matrices of the layers, and AdamW moves the rest. DDP sums
gradients up where they lie. `zero2` and `zero3` are FSDP2 as :mod:`trainer.sharding` has it, without and with
``reshard_after_forward``: a layer is a group, what is in no layer is one that stays gathered. Gradients are
exchanged with the last micro-batch of a step, so where there are several they add up whole on every device.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trainer.config import OptimizerConfig
from trainer.config.planning import PlanConfig
from trainer.plan.architecture import Architecture
from trainer.plan.computation import Computation

Strategy = Literal["single", "ddp", "zero2", "zero3"]

STRATEGIES: dict[Strategy, str] = {
    "single": "one device",
    "ddp": "DDP",
    "zero2": "FSDP2, ZeRO 2",
    "zero3": "FSDP2, ZeRO 3",
}
"""The ways to share a run, and what tables call them."""


@dataclass(frozen=True)
class State:
    """Bytes that a device holds whatever the micro-batch.

    Attributes
    ----------
    weights
        In fp32.
    half_weights
        Copies of matrices in bf16, which the way back reads again.
    gradients
        When all are there.
    optimizer
        Moments.
    communication
        Weights that were gathered, and gradients on their way.
    share
        What share of the gradients a device holds: 1 / N where they are spread as they come.
    """

    weights: float
    half_weights: float
    gradients: float
    optimizer: float
    communication: float
    share: float


def strategy_of(config: PlanConfig) -> Strategy:
    """Return the way that a configuration asks for."""
    if config.devices == 1:
        return "single"
    if config.trainer.strategy != "fsdp":
        return "ddp"
    return "zero2" if config.trainer.reshard_after_forward is False else "zero3"


def state(
    model: Architecture,
    optimizer: OptimizerConfig,
    how: Computation,
    strategy: Strategy,
    devices: int,
    *,
    accumulates: bool,
) -> State:
    """Return what a device holds whatever the micro-batch.

    Parameters
    ----------
    model, optimizer, how
        The run.
    strategy, devices
        How it is shared.
    accumulates
        Whether a step has several micro-batches on a device.
    """
    parameters, gradients = model.sizes.parameters, 4.0 * model.trained
    moments, half_weights = optimizer_bytes(model, optimizer), _half_weights(model, how)
    if strategy in ("single", "ddp"):
        return State(4.0 * parameters, half_weights, gradients, moments, 0.0, 1.0)
    share = 1.0 if accumulates else 1 / devices
    layer = model.sizes.layer_parameters
    root = parameters - model.sizes.layers * layer
    gathered = parameters if strategy == "zero2" else root + 2 * layer
    # Gradients of a layer, and of the one after it that are still being reduced.
    reduced = 2 * layer * min(1, model.trained_layers)
    return State(
        4.0 * parameters / devices,
        half_weights,
        gradients * share,
        moments / devices,
        4.0 * (gathered + reduced),
        share,
    )


def _half_weights(model: Architecture, how: Computation) -> float:
    """Return the bytes of the layers' matrices in bf16.

    Autocast casts each once and keeps it for the step. In compiled layers the graph keeps what it cast for
    the way back, and a layer that is recomputed casts again. That of the output head is the loss's.
    """
    if not how.half:
        return 0.0
    layers = model.sizes.layers
    if how.compiled and how.recompute_every:
        kept = sum(not how.recomputed(layer) for layer in range(layers))
        layers = min(layers, kept + 1)
    return 2.0 * layers * model.layer_matrices


def optimizer_bytes(model: Architecture, optimizer: OptimizerConfig) -> float:
    """Return the bytes of all moments together."""
    if optimizer.name == "adamw":
        return 8.0 * model.trained
    hidden = model.trained_layers * model.layer_matrices
    return 4.0 * hidden + 8.0 * (model.trained - hidden)


def optimizer_works(model: Architecture, optimizer: OptimizerConfig) -> float:
    """Return what an optimizer holds for a moment beyond its moments, in bytes.

    AdamW is fused and holds nothing. Muon takes a matrix at a time: copies of it and of its momentum, the
    update in fp32, and in bf16 what is orthogonalised, its square and their product.
    """
    if optimizer.name == "adamw":
        return 0.0
    sizes = model.sizes
    largest = sizes.width * max(sizes.inner_width, sizes.attention_width)
    return (4 * 3 + 2 * 3) * float(largest)
