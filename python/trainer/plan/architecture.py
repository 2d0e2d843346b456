"""The model of a plan, from what is configured or from what its source says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from prepcore.arguments import UsageError
from prepcore.arguments.configuration_file import read
from trainer.config import FitConfig, ModelConfig, presets, with_preset
from trainer.flops import LlamaSizes
from trainer.initialize.description import random_description
from trainer.initialize.facts import FILE as FACTS_FILE
from trainer.initialize.facts import Facts
from trainer.initialize.maps import layer_map
from trainer.initialize.source import DESCRIPTION, check_length, check_source, read_description
from trainer.initialize.vocabulary import MULTIPLE
from trainer.resolve import source_of
from trainer.tokens import TokenFolder

NEEDED = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
)
"""What a ``config.json`` must say for its parameters to be counted."""


@dataclass(frozen=True)
class Architecture:
    """The model that would be trained.

    Attributes
    ----------
    sizes
        Of the model, after any surgery.
    trained_layers
        How many layers learn; where they are fewer than all, nothing else does.
    dropout
        Share of the attention weights that is dropped.
    longest
        Longest text it is made for; None where nobody says.
    notes
        What is to be said of where this comes from.
    """

    sizes: LlamaSizes
    trained_layers: int
    dropout: float = 0.0
    longest: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether every parameter learns."""
        return self.trained_layers == self.sizes.layers

    @property
    def trained(self) -> int:
        """How many parameters learn."""
        return self.sizes.parameters if self.whole else self.trained_layers * self.sizes.layer_parameters

    @property
    def layer_matrices(self) -> int:
        """Parameters of the matrices of one layer, which is where Muon works and bf16 multiplies."""
        sizes = self.sizes
        queries, keys = sizes.attention_width, sizes.shared_heads * sizes.head_width
        return 2 * sizes.width * (queries + keys) + 3 * sizes.width * sizes.inner_width

    def flops_per_token(self, length: int) -> float:
        """Return the operations that a token of a row of this length costs."""
        return self.sizes.flops_per_token(length, trained=None if self.whole else self.trained)

    def parts(self) -> dict[str, int]:
        """Count the parameters by part; they add up to all."""
        sizes = self.sizes
        queries, keys = sizes.attention_width, sizes.shared_heads * sizes.head_width
        table, layers = sizes.vocabulary * sizes.width, sizes.layers
        attention = 2 * sizes.width * (queries + keys)
        attention += (queries + 2 * keys + sizes.width) * sizes.attention_bias
        feed_forward = 3 * sizes.width * sizes.inner_width
        feed_forward += (2 * sizes.inner_width + sizes.width) * sizes.feed_forward_bias
        return {
            "embedding": table,
            "attention": layers * attention,
            "feed-forward": layers * feed_forward,
            "norms": (2 * layers + 1) * sizes.width,
            "output head": 0 if sizes.tied else table,
        }


def architecture(config: FitConfig, folder: TokenFolder | None, length: int | None) -> Architecture:
    """Work out the model of a run.

    Parameters
    ----------
    config
        The whole configuration.
    folder
        The data, where it is there.
    length
        Tokens in a row, where they are known.

    Raises
    ------
    UsageError
        When sizes are missing or do not fit each other, the source or the data.
    """
    source = source_of(config)
    if config.resume and source is None:
        raise UsageError(f"--resume {config.resume} has no checkpoint", "plan the run without --resume")
    if source is None:
        return _random(config.model, folder, length)
    if config.resume:
        return _continued(Path(config.resume), source, config)
    described, notes = _described(config.model, source, folder, length)
    sizes = _sizes(described, source)
    init = config.model.init
    # Which layers are kept by their influence is not known before it is measured, but how many is.
    layers = layer_map(init, sizes.layers, influence=[0.0] * sizes.layers)
    rows = sizes.vocabulary
    if init.vocabulary == "extend":
        if folder is None:
            notes += ("the rows that model.init.vocabulary extend adds are counted once data.path is given",)
        elif folder.vocabulary_size > rows:
            rows = -(-folder.vocabulary_size // MULTIPLE) * MULTIPLE
    sizes = replace(sizes, layers=len(layers.sources), vocabulary=rows)
    trained = len(layers.new) if init.train == "new-blocks" else sizes.layers
    return Architecture(
        sizes, trained, _dropout(config.model, described), described.get("max_position_embeddings"), notes
    )


def _random(model: ModelConfig, folder: TokenFolder | None, length: int | None) -> Architecture:
    if folder is None and with_preset(model).vocab_size is None:
        raise UsageError(
            "the size of the new model's vocabulary is not known",
            "give --model.vocab-size N, or --data.path with the tokens",
        )
    described = random_description(
        model, vocabulary_size=folder.vocabulary_size if folder else 0, sequence_length=length or 0
    )
    check_source(model, folder=folder, length=length)
    longest = with_preset(model).max_position_embeddings
    return Architecture(
        LlamaSizes.of(SimpleNamespace(**described)),
        described["num_hidden_layers"],
        model.attention_dropout or 0.0,
        longest,
    )


def _continued(run: Path, checkpoint: str, config: FitConfig) -> Architecture:
    described = read_description(checkpoint)
    sizes = _sizes(described, checkpoint)
    trained = sizes.layers
    if config.model.init.train == "new-blocks" and (run / FACTS_FILE).is_file():
        layers = Facts.read(run / FACTS_FILE).layers
        trained = len(layers.new) if layers else trained
    return Architecture(
        sizes, trained, _dropout(config.model, described), described.get("max_position_embeddings")
    )


def _described(
    model: ModelConfig, source: str, folder: TokenFolder | None, length: int | None
) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """Return what is known of a source: what its folder says, or what it will be once it is trained."""
    if not (Path(source) / DESCRIPTION).is_file():
        stated = _stated(model, source)
        if stated is not None:
            described, where = stated
            if length is not None and described.get("max_position_embeddings"):
                check_length(length, described["max_position_embeddings"], source)
            return described, (f"{source} is not there yet: its sizes are those of {where}",)
    check_source(model, folder=folder, length=length)
    return read_description(source), ()


def _stated(model: ModelConfig, source: str) -> tuple[dict[str, Any], str] | None:
    """Return the description of a source that is not there, and who states it."""
    if model.preset is not None or model.hidden_size is not None:
        return random_description(model, vocabulary_size=0, sequence_length=0), (
            f"the preset {model.preset}" if model.preset else "the options"
        )
    for name, file in presets().items():
        stated = read(file)
        # A preset says where its run lies, so that others can say that they begin where it ends.
        if Path(stated.get("run", "")) in Path(source).parents and "vocab-size" in stated["model"]:
            preset = ModelConfig(preset=name)
            described = random_description(preset, vocabulary_size=0, sequence_length=0)
            return described, f"the preset {name}, whose run it would be"
    return None


def _sizes(described: Mapping[str, Any], source: str) -> LlamaSizes:
    for name in NEEDED:
        if not isinstance(described.get(name), int):
            raise UsageError(
                f"{Path(source) / DESCRIPTION} has no {name}, by which parameters are counted",
                "copy or download the folder again",
            )
    return LlamaSizes.of_description(described)


def _dropout(model: ModelConfig, described: Mapping[str, Any]) -> float:
    own = model.attention_dropout
    return float(described.get("attention_dropout") or 0.0) if own is None else own
