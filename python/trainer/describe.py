"""What a run says of itself before it begins."""

from __future__ import annotations

from typing import Any

from transformers import LlamaForCausalLM

from trainer.config import FitConfig
from trainer.flops import FORMULA, Arithmetic, LlamaSizes, flops_in_words
from trainer.initialize.build import parameter_count
from trainer.mixture import Mixture
from trainer.resolve import RunNumbers
from trainer.tokens import TokenFolder


def describe(
    config: FitConfig,
    model: LlamaForCausalLM,
    folder: TokenFolder,
    numbers: RunNumbers,
    trainer: Any,
    arithmetic: Arithmetic,
) -> str:
    """Say in a few lines what is about to be trained."""
    shape = model.config
    rows = folder.train.rows(numbers.length)
    one_pass, whole = (folder.recipe.rows, "recipe") if isinstance(folder, Mixture) else (rows, "data")
    padding = folder.train.padding(numbers.length)
    padded = f" ({padding / (rows * numbers.length):.2%} of them padding)" if padding else ""
    held_out = (
        f"{folder.validation.rows(numbers.length):,} rows held out"
        if folder.validation
        else "no validation data"
    )
    borders = (
        "\nrows: they have no document borders, so documents that share one are not isolated"
        if config.data.isolate_documents and not numbers.isolate
        else ""
    )
    first = numbers.sizes.rows(0) * numbers.length
    ramp = f"{first:,} to " if first != numbers.tokens_per_step else ""
    shared = ""
    if trainer.world_size > 1:
        strategy = "fsdp" if config.trainer.strategy == "fsdp" else "ddp"
        shared = f", each step shared by {trainer.world_size} processes ({strategy})"
    sources = describe_sources(folder, numbers) if isinstance(folder, Mixture) else ""
    return (
        f"model: {parameter_count(model):,} parameters, {shape.num_hidden_layers} layers, width "
        f"{shape.hidden_size:,}, vocabulary {shape.vocab_size:,}, precision {trainer.precision}\n"
        f"data: {rows:,} rows of {numbers.length:,} tokens{padded}, {held_out}\n"
        f"run: {numbers.total_steps:,} steps of {ramp}{numbers.tokens_per_step:,} tokens "
        f"({numbers.total_rows / one_pass:.2f} passes over the {whole}){shared}"
        f"\n{describe_arithmetic(arithmetic, LlamaSizes.of(shape), numbers)}{borders}{sources}"
    )


def describe_arithmetic(arithmetic: Arithmetic, sizes: LlamaSizes, numbers: RunNumbers) -> str:
    """Say what a token costs, by which formula, and what the devices could do."""
    cost = (
        f"arithmetic: {flops_in_words(arithmetic.flops_per_token)} a token ({FORMULA}: N "
        f"{sizes.parameters_without_embedding:,} without the input embedding, L {sizes.layers}, h "
        f"{sizes.attention_width:,}, S {numbers.length:,})"
    )
    if arithmetic.peak_teraflops is None:
        return f"{cost}; the peak of {arithmetic.device} is not known, so no MFU is shown"
    return f"{cost}; MFU is of {arithmetic.peak_teraflops:,.4g} TFLOP/s ({arithmetic.peak_from})"


def describe_sources(mixture: Mixture, numbers: RunNumbers) -> str:
    """Say what a run will take of each source, a line each, and which of them repeat."""
    recipe = mixture.recipe
    run = recipe.of_rows(numbers.total_rows)
    lines = [
        f"\nsource {source.name}: share {source.weight / recipe.lap:.4g}, {source.rows:,} of "
        f"{source.available_rows:,} rows, {source.epochs:.2f} epochs"
        for source in run.sources
    ]
    return "".join([*lines, *(f"\nwarning: {warning}" for warning in run.warnings)])
