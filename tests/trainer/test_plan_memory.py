"""The memory of a plan against the tensors of a real step, and against the resident memory of a real run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from prepcore.arguments import Parser
from tests.trainer.folders import write_token_folder
from tests.trainer.models import tiny_llama
from tests.trainer.test_cli import environment
from trainer.choices import compile_obstacle
from trainer.config import ComputeConfig, OptimizerConfig, presets
from trainer.config.planning import PlanConfig
from trainer.flops import LlamaSizes
from trainer.model import LlamaModule
from trainer.optimizer import build_optimizer
from trainer.plan.activations import layer_keeps, outside_keeps
from trainer.plan.architecture import Architecture
from trainer.plan.computation import Computation
from trainer.plan.facts import plan
from trainer.plan.losses import loss_holds
from trainer.plan.memory import Step
from trainer.plan.strategies import optimizer_bytes

ROWS, LENGTH, LAYERS = 3, 96, 3
SIZES: dict[str, Any] = {
    "vocab_size": 500,
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": LENGTH,
}


def computed(half: bool, packed: bool, **compute: Any) -> Computation:
    chosen = ComputeConfig(**compute)
    return Computation(
        device="cpu",
        half=half,
        attention=chosen.attention,
        asked_loss=chosen.loss,
        compiled=chosen.compile == "on",
        recompute_every=chosen.recompute_every,
        packed=packed,
    )


def kept_bytes(model: LlamaForCausalLM, how: Computation, compute: ComputeConfig) -> int:
    """Return the bytes that autograd holds between the two ways of a micro-batch, the weights apart."""
    module = LlamaModule(model, compute=compute)
    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    generator = torch.Generator().manual_seed(0)
    batch = {"input_ids": torch.randint(0, 500, (ROWS, LENGTH), generator=generator)}
    if how.packed:
        positions = torch.arange(LENGTH).repeat(ROWS, 1)
        positions[:, 40:] -= 40
        batch["position_ids"] = positions
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    hooks = torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor)
    with torch.autocast("cpu", torch.bfloat16, enabled=how.half), hooks:
        loss, _ = module.loss_sum(batch)
    assert loss.requires_grad  # the graph is alive while it is counted
    return sum(kept.values())


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize(
    ("attention", "packed"), [("split", True), ("sdpa", True), ("sdpa", False), ("eager", True)]
)
def test_a_layer_keeps_what_is_counted(attention: Any, packed: bool, half: bool) -> None:
    check_layer(computed(half, packed, attention=attention, loss="chunked", compile="off"))


@pytest.mark.skipif(compile_obstacle("cpu") is not None, reason="there is no C++ compiler")
@pytest.mark.parametrize("half", [False, pytest.param(True, marks=pytest.mark.soak)])
def test_a_compiled_layer_keeps_what_is_counted(half: bool) -> None:
    check_layer(computed(half, True, attention="split", loss="chunked", compile="on"))


def check_layer(how: Computation) -> None:
    """Each layer more keeps so many bytes more: exactly those of the formula."""
    compute = ComputeConfig(
        attention=how.attention, loss=how.asked_loss, compile="on" if how.compiled else "off"
    )
    amounts = []
    for layers in (LAYERS, LAYERS - 1):
        model = LlamaForCausalLM(LlamaConfig(**{**SIZES, "num_hidden_layers": layers}))
        amounts.append(kept_bytes(model, how, compute))
    sizes = LlamaSizes.of(model.config)
    matrices = 2 * Architecture(sizes, sizes.layers).layer_matrices if how.half else 0
    expected = layer_keeps(sizes, how, LENGTH).total * ROWS * LENGTH + matrices
    assert amounts[0] - amounts[1] == expected


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("loss", ["chunked", "whole"])
@pytest.mark.parametrize("recompute", ["off", "full", "2"])
def test_a_micro_batch_keeps_what_is_counted(recompute: str, loss: Any, half: bool) -> None:
    """All of it: layers, those that are recomputed, the loss, and what lies around them."""
    compute = {"attention": "split", "loss": loss, "compile": "off", "activation_checkpointing": recompute}
    how = computed(half, True, **compute)
    model = LlamaForCausalLM(LlamaConfig(**SIZES))
    measured = kept_bytes(model, how, ComputeConfig(**compute))
    sizes, tokens = LlamaSizes.of(model.config), ROWS * LENGTH
    kept = layer_keeps(sizes, how, LENGTH)
    matrices = 2 * Architecture(sizes, LAYERS).layer_matrices if half else 0
    recomputed = sum(how.recomputed(layer) for layer in range(LAYERS))
    expected = recomputed * 4 * sizes.width * tokens
    expected += (LAYERS - recomputed) * (kept.total * tokens + matrices)
    expected += outside_keeps(sizes, how, rows=ROWS, length=LENGTH) + loss_holds(sizes, how, tokens).kept
    # Ids and positions that autograd does not hold are counted, too, and so is what checkpoints hold for it.
    unseen = 8 * 4 * tokens + 4 * 2 * sizes.head_width * tokens
    assert expected - unseen <= measured <= expected


@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_the_moments_are_counted_as_they_are(name: Any) -> None:
    model = tiny_llama()
    config = OptimizerConfig(name=name)
    optimizer = build_optimizer(model, config)
    for weight in model.parameters():
        weight.grad = torch.ones_like(weight)
    optimizer.step()
    # A counter of steps beside each pair of moments is not counted.
    held = sum(
        value.numel() * value.element_size()
        for state in optimizer.state.values()
        for value in state.values()
        if isinstance(value, Tensor) and value.numel() > 1
    )
    sizes = LlamaSizes.of(model.config)
    assert held == optimizer_bytes(Architecture(sizes, sizes.layers), config)


def test_less_is_kept_the_more_is_recomputed_or_shared() -> None:
    words = ["--config", "tinysolar-248m"]
    config = Parser(PlanConfig, "plan", presets()).parse(words)
    model = LlamaSizes(
        vocabulary=32_000, width=1024, inner_width=4096, layers=12, heads=32, shared_heads=8, head_width=32
    )
    how = Computation("cuda", True, "varlen", "chunked", True, 0, True)
    steps = [
        Step(Architecture(model, 12), config.optimizer, how, 2048, strategy, devices)
        for strategy, devices in (("single", 1), ("ddp", 8), ("zero2", 8), ("zero3", 8))
    ]
    alone, copied, kept, given_back = (step.memory(4, accumulates=False) for step in steps)
    assert alone.total == copied.total
    assert copied.total > kept.total > given_back.total
    assert given_back.parts["optimizer"] * 8 == pytest.approx(alone.parts["optimizer"])
    for step in steps:
        largest = step.largest_micro(40e9)
        assert step.memory(largest, accumulates=True).total <= 40e9
        assert step.memory(largest + 1, accumulates=True).total > 40e9
    assert steps[0].largest_micro(1e9) == 0


MEASURE = """
import json, resource, subprocess, sys
done = subprocess.run([sys.executable, "-m", "trainer", "fit", *sys.argv[1:]], capture_output=True, text=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([done.returncode, done.stderr, used.ru_maxrss * (1024 if sys.platform == "linux" else 1)]))
"""

SHAPE = ["--model.num-attention-heads", "8", "--model.num-key-value-heads", "4", "--compute.compile", "off"]
SHAPE += ["--trainer.accelerator", "cpu", "--trainer.precision", "32-true", "--trainer.max-steps", "3"]


def sized(width: int, inner: int, layers: int) -> list[str]:
    sizes = {"hidden-size": width, "intermediate-size": inner, "num-hidden-layers": layers}
    return [word for name, size in sizes.items() for word in (f"--model.{name}", str(size))]


@pytest.mark.skipif(sys.platform != "linux", reason="the heap is glibc's")
@pytest.mark.parametrize(
    "words",
    [
        [*sized(512, 1536, 6), "--batch.micro", "2"],
        pytest.param([*sized(512, 1536, 8), "--batch.micro", "4"], marks=pytest.mark.soak),
        pytest.param(
            [*sized(512, 1536, 6), "--batch.micro", "2", "--batch.tokens", "2048"], marks=pytest.mark.soak
        ),
        pytest.param(
            [
                *sized(768, 2048, 10),
                "--batch.micro",
                "1",
                "--batch.tokens",
                "1024",
                "--compute.activation-checkpointing",
                "full",
            ],
            marks=pytest.mark.soak,
        ),
    ],
)
def test_the_resident_memory_of_a_run_is_what_was_planned(words: list[str], tmp_path: Path) -> None:
    """The peak of a real run on a CPU, one thread, with all its libraries, checkpoints and pictures."""
    vocabulary, length = 8192, 512
    generator = np.random.default_rng(0)
    lengths = generator.integers(20, 600, size=200)
    documents = [generator.integers(3, vocabulary, size=int(size)).tolist() for size in lengths]
    folder = write_token_folder(tmp_path / "tokens", [documents], vocabulary=vocabulary, length=length)
    words = [*SHAPE, "--data.path", str(folder), *words]
    command = [sys.executable, "-c", MEASURE, *words, "--run", str(tmp_path / "run")]
    ran = subprocess.run(command, capture_output=True, text=True, env=environment(), check=True)
    code, said, peak = json.loads(ran.stdout)
    assert code == 0, said
    memory = plan(Parser(PlanConfig, "plan", presets()).parse(words))["memory"]["strategies"][0]
    parts = ", ".join(f"{part} {size / 1e6:,.0f}" for part, size in memory["parts"].items() if size)
    print(
        f"measured {peak / 1e6:,.0f} MB, planned {memory['total'] / 1e6:,.0f} MB, {memory['moment']}: {parts}"
    )
    assert memory["total"] == pytest.approx(peak, rel=0.1)
