"""What is measured on a sample of the data: the loss of a model, and the influence of its blocks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import LlamaForCausalLM

from trainer.config import OptimizerConfig
from trainer.data import Batch, Rows, Steps
from trainer.initialize.around import Sample
from trainer.loss import IGNORED
from trainer.model import LlamaModule

LOSS_TOKENS = 4096
"""Tokens on which a model is compared with its source: a few seconds on a CPU for 250 M parameters."""

INFLUENCE_TOKENS = 32_768
"""Tokens for the influence of blocks, which is a mean over tokens."""

MICRO_TOKENS = 4096
"""Tokens of a forward pass; what bounds the memory."""


def loss_batch(sample: Sample) -> Batch:
    """Return the first rows of the sample's split, about `LOSS_TOKENS`, shape ``(rows, length)``."""
    split = sample.folder.validation or sample.folder.train
    rows = min(max(1, LOSS_TOKENS // sample.length), split.rows(sample.length))
    return Rows(split, length=sample.length, micro=rows, isolate=sample.isolate)[0]


def influence_batches(sample: Sample, tokens: int) -> Iterator[Batch]:
    """Yield about ``tokens`` of the training data, rows evenly spread over it, a micro-batch at a time.

    What is held out is left out, for layers are chosen by this.
    """
    available = sample.folder.train.rows(sample.length)
    count = min(max(1, tokens // sample.length), available)
    order = Spread(available, count, max(1, MICRO_TOKENS // sample.length))
    steps = Steps(sample.folder.train, order, length=sample.length, micro=None, isolate=sample.isolate)
    for step in range(order.steps):
        yield {name: ids[0] for name, ids in steps[step].items()}


@dataclass(frozen=True)
class Spread:
    """Some of many rows, evenly spread, in order."""

    available: int
    count: int
    micro: int

    @property
    def steps(self) -> int:
        """How many micro-batches they make; the last one may be smaller."""
        return -(-self.count // self.micro)

    def rows_of_step(self, step: int) -> NDArray[np.int64]:
        """Return the rows of a micro-batch."""
        numbers = np.arange(step * self.micro, min((step + 1) * self.micro, self.count), dtype=np.int64)
        return numbers * self.available // self.count


@contextmanager
def measuring(model: LlamaForCausalLM, device: str) -> Iterator[LlamaModule]:
    """Lend a model to the module that keeps documents apart, without dropout; put everything back after."""
    attention, training, home = model.config._attn_implementation, model.training, model.device
    module = LlamaModule(model, optimizer=OptimizerConfig(), learning_rate=lambda step: 0.0).to(device).eval()
    try:
        with torch.inference_mode():
            yield module
    finally:
        model.to(home).train(training)
        model.set_attn_implementation(attention)


def sample_loss(model: LlamaForCausalLM, sample: Sample) -> tuple[float | None, int]:
    """Return the loss on the sample in nats a token, and the number of its targets.

    None where the sample holds ids that the model has no row for, as a source whose vocabulary is extended.
    """
    batch = loss_batch(sample)
    if int(batch["input_ids"].max()) >= model.config.vocab_size:
        return None, int((batch.get("labels", batch["input_ids"])[:, 1:] != IGNORED).sum())
    with measuring(model, sample.device) as module:
        loss, targets = module.loss_sum({name: ids.to(sample.device) for name, ids in batch.items()})
        return float(loss / targets), int(targets)


def block_influence(model: LlamaForCausalLM, sample: Sample, tokens: int) -> tuple[list[float], int]:
    """Measure how much each block changes the hidden states (Men et al., 2024, "ShortGPT").

    Parameters
    ----------
    model
        Any source.
    sample
        Where its rows come from: streamed, a micro-batch in memory at a time.
    tokens
        How many to measure on, about.

    Returns
    -------
    tuple
        For each layer 1 - mean cosine of a token's hidden state entering and leaving it (0 changes nothing, 2
        turns it round), and the number of tokens measured, padding not counted.
    """
    layers = model.model.layers
    sums = torch.zeros(len(layers), dtype=torch.float64, device=sample.device)
    counted: Tensor | None = None

    def add(layer: int, entering: Tensor, leaving: Tensor) -> None:
        cosine = F.cosine_similarity(entering.float(), leaving.float(), dim=-1)  # (rows, length)
        sums[layer] += (cosine if counted is None else cosine * counted).sum(dtype=torch.float64)

    handles = [_watch(block, layer, add) for layer, block in enumerate(layers)]
    total = torch.zeros((), dtype=torch.int64, device=sample.device)
    known = model.config.vocab_size - 1
    try:
        with measuring(model, sample.device) as module:
            for batch in influence_batches(sample, tokens):
                ids = batch["input_ids"].to(sample.device)
                counted = ids <= known
                if "labels" in batch:
                    counted &= batch["labels"].to(sample.device) != IGNORED
                positions = batch.get("position_ids")
                # Tokens that are yet to be added are read as the last one there is, and not counted.
                module(ids.clamp(max=known), None if positions is None else positions.to(sample.device))
                total += counted.sum()
    finally:
        for handle in handles:
            handle.remove()
    tokens_measured = int(total)
    # A cosine in fp32 may exceed 1 by a rounding.
    return [max(0.0, 1 - value / max(1, tokens_measured)) for value in sums.tolist()], tokens_measured


def _watch(block: nn.Module, layer: int, add: Any) -> Any:
    """Call ``add`` with what enters and leaves a block whenever it runs."""

    def hook(module: nn.Module, words: tuple[Any, ...], keywords: dict[str, Any], output: Any) -> None:
        entering = words[0] if words else keywords["hidden_states"]
        add(layer, entering, output[0] if isinstance(output, tuple) else output)

    return block.register_forward_hook(hook, with_kwargs=True)
