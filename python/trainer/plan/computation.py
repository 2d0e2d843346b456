"""How a planned run would be computed: what `auto` stands for on the device that is planned for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from prepcore.arguments import UsageError
from trainer.choices import choose_loss, chunk_rows, compile_obstacle, worth_compiling
from trainer.config import Attention, Loss
from trainer.config.planning import PlanConfig
from trainer.plan.architecture import Architecture
from trainer.precision import has_amx

DeviceType = Literal["cpu", "cuda"]


@dataclass(frozen=True)
class Computation:
    """How the arithmetic is done, as far as memory depends on it.

    Attributes
    ----------
    device
        Type of the device.
    half
        Whether products are in bf16, beside weights in fp32 (``bf16-mixed``).
    attention
        The back end; never ``auto``.
    asked_loss
        The way of the loss that was asked for; see :meth:`loss`.
    compiled
        Whether layers are compiled.
    recompute_every
        How many layers there are to each that is recomputed; 0 for none.
    packed
        Whether documents that share a row are held apart.
    """

    device: DeviceType
    half: bool
    attention: Attention
    asked_loss: Loss
    compiled: bool
    recompute_every: int
    packed: bool

    @property
    def element(self) -> int:
        """Bytes of an element of a product."""
        return 2 if self.half else 4

    @property
    def precision(self) -> str:
        """Lightning's name of the precision."""
        return "bf16-mixed" if self.half else "32-true"

    @property
    def recompute(self) -> str:
        """What is recomputed, as the option says it."""
        return {0: "off", 1: "full"}.get(self.recompute_every, str(self.recompute_every))

    def recomputed(self, layer: int) -> bool:
        """Whether a layer keeps its input alone."""
        return self.recompute_every > 0 and layer % self.recompute_every == 0

    def loss(self, positions: int, vocabulary: int) -> Loss:
        """Return the way of the loss for a micro-batch of so many tokens."""
        return choose_loss(
            self.asked_loss,
            positions=positions,
            vocabulary=vocabulary,
            device=self.device,
            compiled=self.compiled,
        )

    def chunk(self, positions: int, vocabulary: int) -> int:
        """Return how many positions have their logits at once in the chunked loss."""
        return min(positions, chunk_rows(self.device, vocabulary))


def computation(config: PlanConfig, model: Architecture, *, isolate: bool, tokens: int) -> Computation:
    """Settle how a run would be computed.

    Parameters
    ----------
    config
        The whole configuration.
    model
        Its model.
    isolate
        Whether documents that share a row are held apart.
    tokens
        Of the whole run.

    Raises
    ------
    UsageError
        When something that was asked for cannot be done on that device, or no plan is made for it.
    """
    device = device_of(config)
    precision = config.trainer.precision
    half = precision == "bf16-mixed" or (precision == "auto" and (device == "cuda" or has_amx()))
    settings = config.trainer
    spread = settings.strategy == "fsdp" and (settings.devices or 1) * (settings.num_nodes or 1) > 1
    # A machine with a GPU has triton.
    obstacle = compile_obstacle(device, spread=spread) if spread or device == "cpu" else None
    if config.compute.compile == "on" and obstacle:
        raise UsageError(f"compute.compile is on, but {obstacle}", "leave it at auto, or turn it off")
    worth = not obstacle and worth_compiling(device, model.sizes.parameters, tokens)
    return Computation(
        device=device,
        half=half,
        attention=_attention(config.compute.attention, model, device, half=half, packed=isolate),
        asked_loss=config.compute.loss,
        compiled={"on": True, "off": False}.get(config.compute.compile, worth),
        recompute_every=config.compute.recompute_every,
        packed=isolate,
    )


def device_of(config: PlanConfig) -> DeviceType:
    """Return the type of the device that a plan is for.

    Raises
    ------
    UsageError
        When it is another than a CPU or a GPU of the table.
    """
    accelerator = config.trainer.accelerator
    if accelerator == "mps":
        raise UsageError(
            "trainer.accelerator is mps, which no plan is made for",
            "wanted auto or gpu with --gpu NAME, or cpu",
        )
    if accelerator == "cpu" and config.gpu is not None:
        raise UsageError(f"--gpu is {config.gpu}, but trainer.accelerator is cpu", "leave one of the two out")
    return "cpu" if accelerator == "cpu" else "cuda"


def _attention(
    name: Attention, model: Architecture, device: DeviceType, *, half: bool, packed: bool
) -> Attention:
    """Return the back end, as :func:`trainer.compute.choose_attention` does once the device is there."""
    obstacles = {"split": _split_obstacle(model, device), "varlen": _varlen_obstacle(model, device, half)}
    obstacle = obstacles.get(name)
    if obstacle is not None:
        raise UsageError(f"compute.attention is {name}, {obstacle}", "auto takes the fastest that can")
    if name != "auto":
        return name
    if obstacles["split"] is None:
        return "split"
    return "varlen" if packed and obstacles["varlen"] is None else "sdpa"


def _split_obstacle(model: Architecture, device: DeviceType) -> str | None:
    if device != "cpu":
        return f"which is for CPUs, but the plan is for {device}"
    return _dropout_obstacle(model)


def _varlen_obstacle(model: Architecture, device: DeviceType, half: bool) -> str | None:
    width = model.sizes.head_width
    if device != "cuda":
        return f"which is for CUDA, but the plan is for {device}"
    if not half:
        return "which computes in bf16 alone, but the precision is 32-true"
    if width % 8 or width > 256:
        return f"which takes heads of 8 to 256 dimensions in steps of 8, but the model has {width}"
    return _dropout_obstacle(model)


def _dropout_obstacle(model: Architecture) -> str | None:
    dropout = model.dropout
    return f"which knows no dropout, but model.attention-dropout is {dropout}" if dropout else None
