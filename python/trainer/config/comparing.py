"""What ``python -m trainer compare`` may be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from prepcore.arguments import option

AxisName = Literal["tokens", "flops", "hours", "steps"]
"""What curves can be drawn over."""


DRAWN = (60, 0.8, 0)
"""How prompts are continued unless something else is said: tokens, temperature, seed."""


@dataclass(frozen=True, kw_only=True)
class CompareConfig:
    """Everything that ``python -m trainer compare`` may be told."""

    subjects: list[str] = option(
        help="runs, checkpoints or any Hugging Face folders; NAME=PATH gives one a name",
        metavar="RUN_OR_CHECKPOINT…",
        positional=True,
    )
    axis: AxisName = option("tokens", "compare losses at equal tokens, FLOPs, hours of training or steps")
    checkpoint: Literal["last", "best"] = option("last", "which checkpoint of a run has the scores and texts")
    prompts: str | None = option(
        None, "continue these now, one a line (without: what runs have in samples.csv)", metavar="FILE"
    )
    max_new_tokens: int = option(DRAWN[0], "with --prompts: tokens of each continuation, at most", minimum=1)
    temperature: float = option(
        DRAWN[1], "with --prompts: lower is safer, 0 takes the likeliest token", minimum=0
    )
    seed: int = option(DRAWN[2], "with --prompts: seed of the sampling, the same for all", minimum=0)
    page: str | None = option(None, "the page (compare.html; none with --json), or off", metavar="FILE|off")
    json: bool = option(False, "print everything as JSON")

    def __post_init__(self) -> None:
        if not self.subjects:
            raise ValueError("RUN_OR_CHECKPOINT is nothing, wanted at least one folder")
        if self.prompts is None and (self.max_new_tokens, self.temperature, self.seed) != DRAWN:
            raise ValueError("max-new-tokens, temperature and seed have no effect without prompts")

    @property
    def page_file(self) -> str | None:
        """Where the page goes, or None for none."""
        if self.page is None:
            return None if self.json else "compare.html"
        return None if self.page == "off" else self.page
