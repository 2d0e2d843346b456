"""`trainer.initialize.initialize`: the same as the command line, for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from typing import Any

import torch

from prepcore.arguments import Parser, option
from trainer.config import ModelConfig, check_measurable
from trainer.initialize.around import surroundings
from trainer.initialize.build import Initialized, build


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What `initialize` may be told, checked as the command line is."""

    model: ModelConfig
    tokens: str | None = option(None)
    tokenizer: str | None = option(None)

    def __post_init__(self) -> None:
        check_measurable(self.model.init, tokens=self.tokens, tokenizer=self.tokenizer)


def initialize(
    strategy: str = "random",
    source: str | PathLike[str] | None = None,
    *,
    layers: int | None = None,
    keep: str | Sequence[int] | None = None,
    sample_tokens: int | None = None,
    vocabulary: str = "refuse",
    train: str = "all",
    distribution: str | None = None,
    depth_scaled: bool = False,
    preset: str | None = None,
    tokenizer: str | PathLike[str] | None = None,
    tokens: str | PathLike[str] | None = None,
    sequence_length: int | None = None,
    seed: int = 0,
    dtype: torch.dtype | str = torch.float32,
    device: str = "cpu",
    **sizes: Any,
) -> Initialized:
    """Make a model with random weights, or of a source.

    Parameters
    ----------
    strategy
        ``random``, ``continue``, ``downscale``, ``upscale``, ``expand`` or ``stack``.
    source
        Hugging Face folder, hub id or checkpoint; all strategies but ``random`` need one.
    layers
        Layers wanted.
    keep
        Which layers ``downscale`` keeps: ``middle``, ``last``, ``block-influence`` or their numbers; a list
        of numbers for ``upscale`` too.
    sample_tokens
        Tokens that ``block-influence`` measures on.
    vocabulary
        ``extend`` adds rows for the tokens that ``tokenizer`` (or that of ``tokens``) has and the source has
        not.
    train
        ``new-blocks`` after ``expand`` lets the new blocks alone learn (``requires_grad``).
    distribution, depth_scaled
        Of random weights: ``normal`` or ``truncated``; whether output projections are made smaller with
        depth.
    preset
        Preset that the sizes of a random model are taken from.
    tokenizer
        Folder of tokenizer files; random weights need it or ``tokens``.
    tokens
        Token folder or recipe, which the loss and the influence of blocks are measured on.
    sequence_length
        Tokens in a row of it; by default the folder's.
    seed
        Of random weights.
    dtype
        Of weights from a source: fp32, as training wants it; ``auto`` is that of the files.
    device
        Where to measure.
    **sizes
        Sizes of a random model under the names of transformers' ``LlamaConfig``, such as ``hidden_size``.

    Returns
    -------
    Initialized
        ``model``, a ``LlamaForCausalLM``, and ``facts``, which say what was made of what
        (`trainer.initialize.facts`); a tuple of the two.

    Raises
    ------
    UsageError
        When the arguments contradict each other, or the source does not allow what is asked.

    Examples
    --------
    >>> model, facts = initialize("upscale", "runs/first/checkpoints/last", layers=16)  # doctest: +SKIP
    >>> print(facts)  # doctest: +SKIP
    >>> model.save_pretrained("deeper")  # doctest: +SKIP
    """
    words = {
        "strategy": strategy,
        "source": None if source is None else fspath(source),
        "layers": layers,
        "keep": keep if keep is None or isinstance(keep, str) else ",".join(map(str, keep)),
        "sample_tokens": sample_tokens,
        "vocabulary": vocabulary,
        "train": train,
        "distribution": distribution,
        "depth_scaled": depth_scaled,
    }
    options = {
        "tokens": None if tokens is None else fspath(tokens),
        "tokenizer": None if tokenizer is None else fspath(tokenizer),
        "model.preset": preset,
        **{f"model.{name}": value for name, value in sizes.items()},
        **{f"model.init.{name}": value for name, value in words.items()},
    }
    given = [
        f"--{name}={str(value).lower() if value is True or value is False else value}"
        for name, value in options.items()
        if value is not None
    ]
    asked = Parser(Arguments, "initialize").parse(given)
    around = surroundings(
        asked.model.init,
        tokens=asked.tokens,
        tokenizer=asked.tokenizer,
        sequence_length=sequence_length,
        device=device,
    )
    return build(asked.model, around, seed=seed, dtype=dtype)
