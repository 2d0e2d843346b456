"""Batch and learning rate that the literature suggests for a run of this size.

Each rule was fitted for training from random weights with AdamW over a certain range; outside of it the
figure is an extrapolation and is marked. They differ from each other by a factor of two or so, which is the
honest width of what is known; the loss is flat around the best pair.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Suggestion:
    """What a rule suggests.

    Attributes
    ----------
    rule
        Its name and its source.
    formula
        In words.
    batch_tokens
        Tokens of a step, or None.
    learning_rate
        Peak, or None.
    range
        Where it was fitted.
    inside
        Whether the run lies in that range.
    """

    rule: str
    formula: str
    batch_tokens: float | None
    learning_rate: float | None
    range: str
    inside: bool


GPT3 = (
    (125e6, 0.5e6, 6.0e-4),
    (350e6, 0.5e6, 3.0e-4),
    (760e6, 0.5e6, 2.5e-4),
    (1.3e9, 1.0e6, 2.0e-4),
    (2.7e9, 1.0e6, 1.6e-4),
    (6.7e9, 2.0e6, 1.2e-4),
    (13e9, 2.0e6, 1.0e-4),
    (175e9, 3.2e6, 0.6e-4),
)
"""Parameters, batch in tokens and learning rate of the models of GPT-3: Brown et al. (2020), table 2.1."""


def suggestions(*, parameters: int, inner: int, tokens: float, inner_flops: float) -> list[Suggestion]:
    """Return what each rule suggests.

    Parameters
    ----------
    parameters
        All of them.
    inner
        Those without embedding and output head.
    tokens
        Of the whole run.
    inner_flops
        Operations of a token without embedding and output head.
    """
    return [
        step_law(inner, tokens),
        deepseek(inner_flops * tokens),
        gpt3(parameters),
    ]


def step_law(inner: int, tokens: float) -> Suggestion:
    """Li et al. (2025), *Predictable Scale: Part I, Step Law*, arXiv 2503.04715."""
    return Suggestion(
        rule="Step Law (Li et al., 2025, arXiv 2503.04715)",
        formula="rate 1.79·N^-0.713·D^0.307, batch 0.58·D^0.571; N without embeddings, D tokens",
        batch_tokens=0.58 * tokens**0.571,
        learning_rate=1.79 * inner**-0.713 * tokens**0.307,
        range="N of 60 M to 1.1 B, D of 2 B to 100 B, a final rate of 1e-5",
        inside=5e7 <= inner <= 1.2e9 and 2e9 <= tokens <= 1e11,
    )


def deepseek(compute: float) -> Suggestion:
    """Bi et al. (2024), *DeepSeek LLM: Scaling Open-Source Language Models with Longtermism*, section 3.1."""
    return Suggestion(
        rule="DeepSeek LLM (Bi et al., 2024, arXiv 2401.02954)",
        formula="rate 0.3118·C^-0.1250, batch 0.2920·C^0.3271; C operations without embeddings",
        batch_tokens=0.2920 * compute**0.3271,
        learning_rate=0.3118 * compute**-0.1250,
        range="C of 1e17 to 2e19, used up to 3e24 of its own models",
        inside=1e17 <= compute <= 3e24,
    )


def gpt3(parameters: int) -> Suggestion:
    """Brown et al. (2020), table 2.1, between its models in logarithms."""
    sizes = [size for size, _, _ in GPT3]
    at = min(max(parameters, sizes[0]), sizes[-1])
    upper = next(place for place, size in enumerate(sizes) if size >= at) or 1
    (low, low_batch, low_rate), (high, high_batch, high_rate) = GPT3[upper - 1], GPT3[upper]
    share = math.log(at / low) / math.log(high / low)
    return Suggestion(
        rule="GPT-3, practice (Brown et al., 2020, table 2.1)",
        formula="between the models of the table, in logarithms",
        batch_tokens=low_batch * (high_batch / low_batch) ** share,
        learning_rate=low_rate * (high_rate / low_rate) ** share,
        range="125 M to 175 B parameters, 300 B tokens each",
        inside=sizes[0] <= parameters <= sizes[-1],
    )


CRITICAL_BATCH = (
    "A larger batch is faster on many devices until the critical one, which grows with the tokens of the run "
    "and hardly with the size of the model (Zhang et al., 2024, arXiv 2410.21676)."
)
"""What is known of how large a batch may be."""
