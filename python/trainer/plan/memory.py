"""The fullest moment of a step, and the largest micro-batch that fits a device.

A step is followed through its moments, with what is there at each: forward up to the loss; the loss; back
through the loss; back through every layer, whose activations go as its gradients come; back through the
embedding; the optimizer. Where a step has several micro-batches on a device, all gradients are there from the
second on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from trainer.config import OptimizerConfig
from trainer.plan.activations import layer_frees, layer_keeps, layer_works, outside_keeps
from trainer.plan.architecture import Architecture
from trainer.plan.computation import Computation
from trainer.plan.losses import loss_holds
from trainer.plan.strategies import State, Strategy, optimizer_works, state

CPU_LIBRARIES = 1036e6
"""Resident bytes of a process that trains a model of no size on a CPU: Python, PyTorch, transformers,
Lightning, matplotlib. Measured with the packages of `requirements/dev.lock`; other builds differ by some ten
megabytes, and PyTorch's for CPUs alone by more."""

CPU_HOLES = 0.5
"""Share of what a step frees (gradients, and what a layer makes and frees on the way forward) that stays
behind as holes of the C library's heap.

glibc aligns a tensor by asking for a little more than it needs, so a hole is filled by smaller tensors alone.
The share is measured, not derived (`docs/planning.md`).
"""

MATRICES = 7
"""Matrices of a layer: queries, keys, values, output, gate, up, down."""

GPU_CONTEXT = 1.0e9
"""Bytes of a GPU that the CUDA context, its kernels and the workspaces of cuBLAS take. An assumption: it was
not measured here."""

GPU_SLACK = 0.05
"""Share of the rest that is left free, for the caching allocator cuts what it holds into pieces. An
assumption."""

PARTS = (
    "weights",
    "weights in bf16",
    "gradients",
    "optimizer",
    "communication",
    "activations",
    "logits and loss",
    "at work",
    "holes of the heap",
    "libraries",
)
"""The parts of memory, in the order of tables."""


@dataclass(frozen=True)
class Memory:
    """The memory of a device at the fullest moment.

    Attributes
    ----------
    parts
        Bytes by :data:`PARTS`.
    moment
        Which moment that is.
    """

    parts: dict[str, float]
    moment: str

    @property
    def total(self) -> float:
        """All bytes together."""
        return sum(self.parts.values())


@dataclass(frozen=True)
class Step:
    """What a step does on one device, as far as memory depends on it.

    Attributes
    ----------
    model, optimizer, how
        The run.
    length
        Tokens in a row.
    strategy, devices
        How it is shared.
    """

    model: Architecture
    optimizer: OptimizerConfig
    how: Computation
    length: int
    strategy: Strategy = "single"
    devices: int = 1

    def memory(self, micro: int, *, accumulates: bool) -> Memory:
        """Return the fullest moment.

        Parameters
        ----------
        micro
            Rows of a micro-batch.
        accumulates
            Whether a step has several of them on a device.
        """
        held = state(
            self.model, self.optimizer, self.how, self.strategy, self.devices, accumulates=accumulates
        )
        fullest: Memory | None = None
        holes = self._holes(micro, accumulates)
        for moment, activations, loss, gradients, working in self._moments(held, micro, accumulates):
            parts = {
                "weights": held.weights,
                "weights in bf16": held.half_weights,
                "gradients": gradients,
                "optimizer": held.optimizer,
                "communication": held.communication,
                "activations": activations,
                "logits and loss": loss,
                "at work": working,
                "holes of the heap": holes,
                "libraries": CPU_LIBRARIES if self.how.device == "cpu" else 0.0,
            }
            memory = Memory({part: parts[part] for part in PARTS}, moment)
            if fullest is None or memory.total > fullest.total:
                fullest = memory
        if fullest is None:
            raise AssertionError("a step has moments")
        return fullest

    def largest_micro(self, available: float, *, rows_per_step: int | None = None) -> int:
        """Return the most rows of a micro-batch that fit; 0 where not one does.

        Parameters
        ----------
        available
            Bytes that may be used.
        rows_per_step
            Rows of a step on one device, where they are to be shared evenly by its micro-batches.
        """

        def fits(micro: int) -> bool:
            accumulates = rows_per_step is None or micro < rows_per_step
            return self.memory(micro, accumulates=accumulates).total <= available

        if rows_per_step is not None:
            divisors = [micro for micro in range(rows_per_step, 0, -1) if rows_per_step % micro == 0]
            return next((micro for micro in divisors if fits(micro)), 0)
        low, high = 0, 1
        while fits(high) and high < 2**20:
            low, high = high, high * 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if fits(middle) else (low, middle)
        return low

    def micro_batch(self, micro: int) -> tuple[float, float]:
        """Return what a micro-batch holds, each at its own fullest: activations, and logits and loss."""
        sizes, how, tokens = self.model.sizes, self.how, micro * self.length
        kept = layer_keeps(sizes, how, self.length).total * tokens
        recomputed = sum(how.recomputed(layer) for layer in range(sizes.layers))
        # While a layer is recomputed, all of it is there.
        whole = max(sizes.layers - recomputed, 1) if recomputed else sizes.layers
        activations = whole * kept + recomputed * 4.0 * sizes.width * tokens
        loss = loss_holds(sizes, how, tokens)
        outside = outside_keeps(sizes, how, rows=micro, length=self.length)
        return activations + outside, max(loss.forward, loss.backward)

    def _holes(self, micro: int, accumulates: bool) -> float:
        """Return the bytes of the heap that nobody uses at the fullest moment.

        Where a step has several micro-batches, the gradients of the first lie where its activations were, and
        each cuts that room: of the piece before it, half the largest tensor of a layer is left over on
        average.
        """
        if self.how.device != "cpu":
            return 0.0
        sizes, how, tokens = self.model.sizes, self.how, micro * self.length
        kept = sum(not how.recomputed(layer) for layer in range(sizes.layers))
        freed = layer_frees(sizes, how) * tokens * kept + 4.0 * self.model.trained
        cuts = MATRICES * kept * accumulates
        return CPU_HOLES * (freed + cuts * how.element * sizes.inner_width * tokens)

    def _moments(
        self, held: State, micro: int, accumulates: bool
    ) -> Iterator[tuple[str, float, float, float, float]]:
        """Yield each moment: its name, activations, loss, gradients, and what is at work, in bytes."""
        sizes, how, model = self.model.sizes, self.how, self.model
        tokens = micro * self.length
        kept = layer_keeps(sizes, how, self.length)
        feed_forward, attention = layer_works(sizes, how, self.length)
        whole, entry = kept.total * tokens, 4.0 * sizes.width * tokens
        outside = outside_keeps(sizes, how, rows=micro, length=self.length)
        loss = loss_holds(sizes, how, tokens)
        of_layers = [entry if how.recomputed(layer) else whole for layer in range(sizes.layers)]
        up_to = list(accumulate(of_layers))
        all_layers = up_to[-1]
        table = 4.0 * sizes.vocabulary * sizes.width * model.whole
        layer_gradients = 4.0 * sizes.layer_parameters
        frozen = model.sizes.layers - model.trained_layers if not model.whole else 0

        def gradients_after(layers: int) -> float:
            """Return the gradients that are there when so many of the last layers are done."""
            if accumulates:
                return held.gradients
            done = max(0, layers - frozen) * layer_gradients + (4.0 * sizes.width + table) * model.whole
            return min(held.gradients, done * held.share)

        begun = held.gradients if accumulates else 0.0
        yield "the loss", all_layers + outside, loss.forward, begun, 0.0
        yield "the way back through the loss", all_layers + outside, loss.backward, begun, 0.0
        largest = sizes.width * max(sizes.inner_width, sizes.attention_width)
        matrix = (4.0 + 2.0 * how.half) * largest
        for layer in reversed(range(sizes.layers)):
            there = up_to[layer]
            if how.recomputed(layer):
                there += whole - entry
            done = gradients_after(sizes.layers - 1 - layer)
            name = f"the way back through layer {layer + 1}"
            yield name, outside + there, 0.0, done, feed_forward * tokens + matrix
            after = there - (kept.feed_forward + kept.norms / 2) * tokens
            yield name, outside + after, 0.0, done + 0.0, attention * tokens + matrix
        if model.whole:
            all_but = held.gradients if accumulates else held.gradients - table * held.share
            yield "the gradient of the embedding", outside, 0.0, all_but, table + entry
        yield "the optimizer", 0.0, 0.0, held.gradients, optimizer_works(model, self.optimizer)
        if how.device == "cpu":
            # A safetensors file is made of a copy of the weights; gradients are gone by then.
            yield "a checkpoint", 0.0, 0.0, 0.0, 4.0 * sizes.parameters


def available(memory: float) -> float:
    """Return what a run may use of the memory of a GPU."""
    return (memory - GPU_CONTEXT) * (1 - GPU_SLACK)
