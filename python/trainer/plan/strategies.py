"""What each device holds besides a micro-batch: weights, gradients, optimizer, and what sharding adds.

Bytes a parameter, of N devices, after Rajbhandari et al. (2020, *ZeRO*)::

                  weights   gradients   optimizer   besides
    one device    4         4           8
    ddp           4         4           8           4: the buckets in which gradients are summed up
    zero1         4         4           8/N         4: as ddp
    zero2         4/N       4/N         8/N         e: the weights, gathered once a step
    fsdp2         4/N       4/N         8/N         e of two layers, of the embedding and of the head

8 is AdamW's two moments. Muon has one, 4, for the matrices of the layers, and AdamW moves the rest. `zero2`
and `fsdp2` are PyTorch's ``fully_shard`` without and with ``reshard_after_forward``, a group a layer, weights
gathered in the type that multiplies (``MixedPrecisionPolicy(param_dtype=bf16)``), gradients reduced in fp32;
the embedding and the head are the root's, which stays gathered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trainer.config import OptimizerConfig
from trainer.plan.architecture import Architecture
from trainer.plan.computation import Computation

Strategy = Literal["single", "ddp", "zero1", "zero2", "fsdp2"]

STRATEGIES: dict[Strategy, str] = {
    "single": "one device",
    "ddp": "DDP",
    "zero1": "ZeRO-1",
    "zero2": "ZeRO-2 (FSDP2, kept gathered)",
    "fsdp2": "ZeRO-3 (FSDP2)",
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
        Buckets, or weights that were gathered.
    share
        What share of the gradients a device holds: 1 / N where they are sharded.
    """

    weights: float
    half_weights: float
    gradients: float
    optimizer: float
    communication: float
    share: float


def state(
    model: Architecture, optimizer: OptimizerConfig, how: Computation, strategy: Strategy, devices: int
) -> State:
    """Return what a device holds whatever the micro-batch."""
    parameters, trained = model.sizes.parameters, model.trained
    weights, gradients = 4.0 * parameters, 4.0 * trained
    moments = optimizer_bytes(model, optimizer)
    outer = 0 if model.sizes.tied else model.sizes.vocabulary * model.sizes.width
    half_weights = _half_weights(model, how)
    if strategy == "single":
        return State(weights, half_weights, gradients, moments, 0.0, 1.0)
    if strategy in ("ddp", "zero1"):
        held = moments / devices if strategy == "zero1" else moments
        return State(weights, half_weights, gradients, held, gradients, 1.0)
    layer = model.sizes.layer_parameters
    root = model.sizes.vocabulary * model.sizes.width + outer
    gathered = parameters if strategy == "zero2" else root + 2 * layer
    # Gradients of a layer, and of the one before that is still being reduced, before they are sharded.
    reduced = 4.0 * max(2 * layer, root) if model.whole else 4.0 * 2 * layer
    return State(
        weights / devices,
        0.0,
        gradients / devices,
        moments / devices,
        how.element * float(gathered) + reduced,
        1 / devices,
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
