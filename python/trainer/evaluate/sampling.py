"""How a text is continued, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from prepcore.arguments import UsageError
from trainer.report.facts import read_json


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

    def check_folder(self, folder: Path) -> None:
        """Refuse a model that has no room, before it is opened; see :meth:`check_room`."""
        room = read_json(folder / "config.json").get("max_position_embeddings")
        self.check_room(room if isinstance(room, int) else None, str(folder))

    def check_room(self, room: int | None, model: str) -> None:
        """Refuse more new tokens than a model has positions for, and one for the prompt.

        Parameters
        ----------
        room
            The model's positions; None: as many as are wanted.
        model
            What it is called in the message.

        Raises
        ------
        UsageError
            Naming both numbers.
        """
        if room is not None and room <= self.max_new_tokens:
            raise UsageError(
                f"max-new-tokens is {self.max_new_tokens:,}, but {model} has {room:,} positions",
                f"give --max-new-tokens below {room:,}, so that there is room for a prompt",
            )
