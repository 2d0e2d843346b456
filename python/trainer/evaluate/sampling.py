"""How a text is continued, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How a text is continued.

    Attributes
    ----------
    max_new_tokens
        How many tokens at most.
    temperature
        0 takes the likeliest token; else it divides the logits before a token is drawn.
    seed
        Seed of the draws. Each prompt has draws of its own, so that one continuation is the same whatever the
        others are.
    stop
        Texts that end a continuation; they do not belong to it.
    """

    max_new_tokens: int = 256
    temperature: float = 0.0
    seed: int = 0
    stop: tuple[str, ...] = ()

    def settings(self) -> Mapping[str, Any]:
        """Return what decides a continuation, for JSON; a seed that draws nothing is left out."""
        settings = {**asdict(self), "stop": list(self.stop)}
        if self.temperature == 0:
            del settings["seed"]
        return settings

    def seed_of(self, number: int) -> int:
        """Return the seed of the draws for the prompt of a number."""
        return (self.seed * 2**32 + number) % 2**63
