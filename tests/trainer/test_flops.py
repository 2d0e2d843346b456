"""Model FLOPs and peaks: the referees of the design, real models, and the log."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from trainer.config import ModelConfig
from trainer.device import arithmetic_of
from trainer.flops import PEAKS, Arithmetic, LlamaSizes, flops_in_words, known_peak
from trainer.initialize import parameter_count
from trainer.initialize.random import random_configuration


def described(**changes: Any) -> LlamaConfig:
    sizes = {
        "hidden_size": 64,
        "intermediate_size": 160,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 100,
    }
    return LlamaConfig(**{**sizes, **changes})


@pytest.mark.parametrize(
    ("preset", "parameters", "gigaflops"),
    [
        ("tinysolar-217m-down", 217_601_024, 1.361),
        ("tinysolar-248m", 248_013_824, 1.593),
        ("tinysolar-308m-up", 308_839_424, 2.059),
    ],
)
def test_the_referees_at_2048(preset: str, parameters: int, gigaflops: float) -> None:
    layers = {"tinysolar-217m-down": 10, "tinysolar-248m": 12, "tinysolar-308m-up": 16}[preset]
    model = ModelConfig(preset="tinysolar-248m", num_hidden_layers=layers)
    config = random_configuration(model, vocabulary_size=32_000, sequence_length=2048, bos=1, eos=2)
    sizes = LlamaSizes.of(config)
    assert sizes.parameters == parameters
    assert sizes.flops_per_token(2048) / 1e9 == pytest.approx(gigaflops, abs=5e-4)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"tie_word_embeddings": True},
        {"head_dim": 24},
        {"num_key_value_heads": 4},
        {"attention_bias": True},
        {"mlp_bias": True},
        {"attention_bias": True, "mlp_bias": True, "head_dim": 32, "tie_word_embeddings": True},
    ],
)
def test_parameters_are_counted_as_they_are(changes: dict[str, Any]) -> None:
    with torch.device("meta"):
        model = LlamaForCausalLM(described(**changes))
    sizes = LlamaSizes.of(model.config)
    assert sizes.parameters == parameter_count(model)
    embedding = model.get_input_embeddings().weight.numel()
    tied = changes.get("tie_word_embeddings", False)
    # A matrix that is input and output at once is multiplied once, as the output.
    assert sizes.parameters_without_embedding == parameter_count(model) - (0 if tied else embedding)


def test_the_formula_counts_what_the_matrices_do() -> None:
    """Each matrix costs two operations an element forward; PyTorch's own counter sees the same."""
    from torch.utils.flop_counter import FlopCounterMode

    length = 48
    model = LlamaForCausalLM(described(attn_implementation="eager"))
    ids = torch.zeros(1, length, dtype=torch.long)
    with FlopCounterMode(display=False) as counter:
        model(input_ids=ids, use_cache=False)
    sizes = LlamaSizes.of(model.config)
    # The norms' gains are in N and in no matrix product.
    gains = sizes.layers * 2 * sizes.width + sizes.width
    matrices = sizes.flops_per_token(length) / 3 - 2 * gains
    # The rotary embedding's small product is in none of the field's formulas.
    assert counter.get_total_flops() / length == pytest.approx(matrices, rel=2e-3)


def test_frozen_parameters_cost_no_gradient_of_theirs() -> None:
    model = LlamaForCausalLM(described())
    for parameter in model.parameters():
        parameter.requires_grad = False
    for parameter in model.model.layers[2].parameters():
        parameter.requires_grad = True
    sizes = LlamaSizes.of(model.config)
    arithmetic = arithmetic_of(model, 16, device="none", precision="32-true")
    whole = sizes.flops_per_token(16)
    assert arithmetic.flops_per_token == whole - 2 * (
        sizes.parameters_without_embedding - sizes.layer_parameters
    )


@pytest.mark.parametrize(
    ("device", "teraflops"),
    [
        ("NVIDIA H200", 989),
        ("NVIDIA H200 NVL", 835.5),
        ("NVIDIA H100 80GB HBM3", 989),
        ("NVIDIA H100 PCIe", 756.5),
        ("NVIDIA H100 NVL", 835.5),
        ("NVIDIA GH200 480GB", 989),
        ("NVIDIA A100-SXM4-80GB", 312),
        ("NVIDIA A100-PCIE-40GB", 312),
        ("NVIDIA L4", 121),
        ("NVIDIA L40S", 362.05),
        ("NVIDIA GeForce RTX 4090", 165.2),
    ],
)
def test_peaks_by_the_names_torch_gives(device: str, teraflops: float) -> None:
    peak = known_peak(device)
    assert peak is not None
    assert peak.teraflops == teraflops
    assert known_peak(device, "32-true") is None


@pytest.mark.parametrize("device", ["AMD EPYC", "Intel(R) Xeon(R) Platinum", "NVIDIA T4", "Apple M2", ""])
def test_nothing_is_guessed(device: str) -> None:
    assert known_peak(device) is None
    assert Arithmetic(device, 1e9, None, "not known").utilisation(1000.0) is None


def test_every_peak_has_a_source_and_can_be_found() -> None:
    for peak in PEAKS:
        assert peak.source
        assert known_peak(" ".join(("NVIDIA", *peak.names))) is peak


def test_utilisation_is_what_is_achieved_of_the_peak() -> None:
    model = LlamaForCausalLM(described())
    arithmetic = arithmetic_of(model, 16, device="x", precision="32-true", devices=2, peak_tflops=0.5)
    assert arithmetic.peak_teraflops == 1.0
    assert arithmetic.peak_from == "trainer.peak-tflops"
    achieved = arithmetic.flops_per_token * 5000 / 1e12
    assert arithmetic.teraflops(5000) == achieved
    assert arithmetic.utilisation(5000) == achieved
    assert flops_in_words(999.0) == "999 FLOP"


def test_it_needs_no_torch() -> None:
    program = "import sys; import trainer.flops, trainer.loggers; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
