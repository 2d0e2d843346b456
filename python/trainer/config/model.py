"""The architecture, and where the first weights come from."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

from prepcore.arguments import option

ARCHITECTURE = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "vocab_size",
    "max_position_embeddings",
    "rms_norm_eps",
    "rope_theta",
    "tie_word_embeddings",
    "initializer_range",
)
"""The options that describe a new model; where weights come from a source, they must say what it is."""


def parse_keep(value: Any) -> str | tuple[int, ...]:
    """Convert ``middle``, ``last``, ``block-influence`` or a list of layer numbers such as ``0,1,4``.

    Raises
    ------
    ValueError
        When it is none of these.
    """
    if value in ("middle", "last", "block-influence"):
        return str(value)
    items = value.strip("[] ").split(",") if isinstance(value, str) else value
    try:
        return tuple(int(item) for item in items)
    except (TypeError, ValueError):
        raise ValueError(
            f"{value!r} is not middle, last, block-influence, or a list of layers such as 0,1,4"
        ) from None


@dataclass(frozen=True, kw_only=True)
class InitConfig:
    """Where the first weights come from."""

    strategy: Literal["random", "continue", "downscale", "upscale", "expand", "stack"] = option(
        "random",
        "fresh weights, or those of a source: all, with fewer layers, with more (upscale as SOLAR, expand as "
        "LLaMA-Pro, stack as G_stack)",
    )
    source: str | None = option(
        None, "Hugging Face folder, hub id or checkpoint to take weights from", metavar="FOLDER_OR_ID"
    )
    layers: int | None = option(None, "layers wanted after a surgery", minimum=1)
    keep: str | tuple[int, ...] | None = option(
        None,
        "source layers in their new order: middle (first and last, the default of downscale), last, "
        "block-influence (those that change the hidden states most), or 0,1,4",
        metavar="middle|last|block-influence|LIST",
        parse=parse_keep,
    )
    sample_tokens: int | None = option(
        None, "tokens that the influence of blocks is measured on (32768)", minimum=1
    )
    vocabulary: Literal["refuse", "extend"] = option(
        "refuse", "what becomes of tokens that the data has and the source lacks: rows are added by extend"
    )
    train: Literal["all", "new-blocks"] = option(
        "all", "which weights learn: after expand, the new blocks alone if asked for"
    )
    distribution: Literal["normal", "truncated"] | None = option(
        None, "random weights: normal (the default), or truncated at two deviations"
    )
    depth_scaled: bool = option(
        False, "divide random output projections by the root of twice the layers", metavar="true|false"
    )

    def __post_init__(self) -> None:
        if self.strategy == "random":
            self._refuse("source", "layers", "keep", "sample_tokens", "vocabulary", "train")
            return
        self._refuse("distribution", "depth_scaled")
        if self.source is None:
            raise ValueError(
                f"model.init.strategy is {self.strategy}: wanted model.init.source, the folder of a model"
            )
        if self.strategy == "continue":
            self._refuse("layers", "keep")
        elif self.layers is None and not isinstance(self.keep, tuple):
            or_list = ", or keep as a list" if self.strategy in ("downscale", "upscale") else ""
            raise ValueError(f"model.init.strategy is {self.strategy}: wanted model.init.layers N{or_list}")
        self._check_keep()
        if self.strategy != "expand":
            self._refuse("train")
        elif self.train == "new-blocks" and self.vocabulary == "extend":
            raise ValueError(
                "model.init.train is new-blocks, but the rows that model.init.vocabulary extend adds are in "
                "no block and would never learn: wanted train all"
            )

    def _check_keep(self) -> None:
        if self.strategy in ("expand", "stack"):
            self._refuse("keep")
        if self.strategy == "upscale" and isinstance(self.keep, str):
            raise ValueError(f"model.init.keep is {self.keep}, which is for downscale; upscale takes a list")
        if isinstance(self.keep, tuple) and self.layers not in (None, len(self.keep)):
            raise ValueError(
                f"model.init.layers is {self.layers}, but model.init.keep lists {len(self.keep)} layers"
            )
        if self.sample_tokens is not None and self.keep != "block-influence":
            raise ValueError("model.init.sample-tokens has no effect without model.init.keep block-influence")

    def _refuse(self, *names: str) -> None:
        defaults = {each.name: each.default for each in dataclasses.fields(self)}
        for name in names:
            if getattr(self, name) != defaults[name]:
                raise ValueError(
                    f"model.init.{name.replace('_', '-')} has no effect when model.init.strategy is "
                    f"{self.strategy}"
                )


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The architecture (names as in transformers' ``LlamaConfig``) and its first weights."""

    preset: str | None = option(
        None, "take the architecture from a preset, such as tinysolar-248m", metavar="NAME"
    )
    hidden_size: int | None = option(None, "width of the residual stream", minimum=1)
    intermediate_size: int | None = option(None, "width inside the feed-forward blocks", minimum=1)
    num_hidden_layers: int | None = option(None, "transformer layers", minimum=1)
    num_attention_heads: int | None = option(None, "query heads", minimum=1)
    num_key_value_heads: int | None = option(None, "key and value heads (as many as query heads)", minimum=1)
    vocab_size: int | None = option(None, "rows of the embedding (what the data's tokenizer has)", minimum=1)
    max_position_embeddings: int | None = option(None, "longest text (the sequence length)", minimum=1)
    rms_norm_eps: float | None = option(None, "epsilon of the norms (1e-6)", minimum=0)
    rope_theta: float | None = option(None, "base of the rotary embedding (10000)", minimum=1)
    tie_word_embeddings: bool | None = option(
        None, "one matrix for input and output (false)", metavar="true|false"
    )
    initializer_range: float | None = option(None, "deviation of the random weights (0.02)", minimum=0)
    attention_dropout: float | None = option(
        None, "share of attention weights dropped in training (the source's, or 0)", minimum=0, maximum=0.99
    )
    init: InitConfig = field(default_factory=InitConfig)
