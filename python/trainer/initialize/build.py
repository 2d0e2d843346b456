"""From what is asked for to the first model of a run, and what was made of what."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import LlamaForCausalLM

from prepcore.arguments import UsageError
from trainer.config import InitConfig, ModelConfig
from trainer.initialize.around import Sample, Say, Surroundings
from trainer.initialize.facts import Facts
from trainer.initialize.maps import LayerMap, layer_map
from trainer.initialize.pretrained import check_architecture, open_source
from trainer.initialize.random import random_configuration, random_model
from trainer.initialize.sample import INFLUENCE_TOKENS, block_influence, sample_loss
from trainer.initialize.source import check_source
from trainer.initialize.surgery import operate, train_only
from trainer.initialize.vocabulary import Extension, check_tokenizers, plan_extension
from trainer.tokenizer import check_same_ids, hub_tokenizer


class Initialized(NamedTuple):
    """A new model, in fp32 unless another type was asked for, and what was made of what."""

    model: LlamaForCausalLM
    facts: Facts


def build(
    model: ModelConfig,
    around: Surroundings,
    *,
    seed: int = 0,
    dtype: torch.dtype | str = torch.float32,
    say: Say = lambda line: None,
) -> Initialized:
    """Make the model that a configuration describes.

    Parameters
    ----------
    model
        Architecture and initialisation.
    around
        Data, tokenizer and lengths.
    seed
        Of random weights.
    dtype
        As for :func:`~trainer.initialize.pretrained.open_source`; random weights are in fp32.
    say
        Is told before something that takes long.

    Raises
    ------
    UsageError
        When a source cannot be opened, is not what is described, or does not allow what is asked.
    """
    init, sample = model.init, around.sample
    folder, length = (sample.folder, sample.length) if sample else (None, None)
    check_source(model, folder=folder, length=length, tokenizer=around.tokenizer)
    if init.source is None:
        return _random(model, around, seed)
    source_tokenizer = _tokenizer_of(init.source)
    if around.tokenizer is not None and source_tokenizer is not None:
        check_same_ids(around.tokenizer, source_tokenizer)
    source = open_source(init.source, dtype)
    check_architecture(model, source.config)
    _check_rows(init, around, source.config.vocab_size)
    extension = _extension(init, around, source_tokenizer, source.config.vocab_size)
    influence: dict[str, Any] | None = None
    if init.keep == "block-influence":
        if sample is None:
            raise ValueError("block-influence needs a sample")  # the configuration refuses it before
        tokens = init.sample_tokens or INFLUENCE_TOKENS
        say(f"measuring the influence of {source.config.num_hidden_layers} blocks on {tokens:,} tokens")
        values, measured = block_influence(source, sample, tokens)
        influence = {"tokens": measured, "values": values}
    layers = layer_map(
        init, source.config.num_hidden_layers, None if influence is None else influence["values"]
    )
    made = operate(source, layers, extension)
    if init.train == "new-blocks":
        train_only(made, layers.new)
    return Initialized(made, _facts(init, source, made, layers, extension, influence, sample))


def parameter_count(model: LlamaForCausalLM) -> int:
    """Count the parameters, tied ones once."""
    return sum(parameter.numel() for parameter in model.parameters())


def _check_rows(init: InitConfig, around: Surroundings, rows: int) -> None:
    """Refuse a tokenizer that has more tokens than the source has rows; data is looked at before."""
    if init.vocabulary == "refuse" and around.sample is None and around.vocabulary_size > rows:
        raise UsageError(
            f"the tokenizer in {around.tokenizer} has {around.vocabulary_size:,} ids, but the model "
            f"{init.source} knows {rows:,}",
            "add rows for the others with --model.init.vocabulary extend",
        )


def _random(model: ModelConfig, around: Surroundings, seed: int) -> Initialized:
    if not around.vocabulary_size and model.vocab_size is None:
        raise UsageError("a new model needs a vocabulary", "give --tokenizer DIR")
    described = random_configuration(
        model,
        vocabulary_size=around.vocabulary_size,
        sequence_length=around.sequence_length,
        bos=around.bos,
        eos=around.eos,
    )
    distribution = model.init.distribution or "normal"
    made = random_model(described, seed, distribution=distribution, depth_scaled=model.init.depth_scaled)
    facts = Facts(
        strategy="random",
        parameters=_parameters(None, made),
        random={
            "distribution": distribution,
            "deviation": described.initializer_range,
            "depth_scaled": model.init.depth_scaled,
            "seed": seed,
        },
    )
    return Initialized(made, facts)


def _tokenizer_of(source: str) -> Path | None:
    return Path(source) if Path(source).is_dir() else hub_tokenizer(source)


def _extension(init: InitConfig, around: Surroundings, source: Path | None, rows: int) -> Extension | None:
    if init.vocabulary != "extend":
        return None
    check_tokenizers(around.tokenizer, source)
    if around.tokenizer is None or source is None:
        raise AssertionError("checked before")
    return plan_extension(around.tokenizer, source, rows)


def _parameters(source: LlamaForCausalLM | None, model: LlamaForCausalLM) -> dict[str, int | None]:
    return {
        "source": None if source is None else parameter_count(source),
        "model": parameter_count(model),
        "trained": sum(weight.numel() for weight in model.parameters() if weight.requires_grad),
    }


def _facts(
    init: InitConfig,
    source: LlamaForCausalLM,
    model: LlamaForCausalLM,
    layers: LayerMap,
    extension: Extension | None,
    influence: dict[str, Any] | None,
    sample: Sample | None,
) -> Facts:
    loss = None
    if sample is not None:
        after, targets = sample_loss(model, sample)
        before = after if model is source else sample_loss(source, sample)[0]
        loss = {"targets": targets, "split": sample.split, "before": before, "after": after}
    vocabulary = None
    if extension is not None:
        vocabulary = {
            "source_rows": source.config.vocab_size,
            "rows": extension.rows,
            "new_tokens": extension.new_tokens,
            "spelled": len(extension.spelled),
            "unspelled": len(extension.unspelled),
            "padding": len(extension.padding),
        }
    return Facts(
        strategy=init.strategy,
        source=init.source,
        source_layers=source.config.num_hidden_layers,
        keep=init.keep or ("middle" if init.strategy == "downscale" else None),
        layers=layers,
        parameters=_parameters(source, model),
        block_influence=influence,
        vocabulary=vocabulary,
        loss=loss,
    )
