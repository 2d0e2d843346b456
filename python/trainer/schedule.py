"""The learning rate as a pure function of the step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

ScheduleName = Literal["cosine", "linear", "constant"]


@dataclass(frozen=True)
class Schedule:
    """Linear warm-up to the peak, then a decay to a share of it.

    The rate is computed from the step alone, so nothing of it has to be saved, and a resumed run may be given
    another peak or another length.

    Parameters
    ----------
    name
        Shape of the decay: ``cosine`` (Loshchilov and Hutter, 2017), ``linear`` or ``constant``.
    peak
        The highest learning rate, reached at the end of the warm-up.
    warmup_steps
        Steps of warm-up; the first step already moves (it has ``peak / warmup_steps``).
    total_steps
        Steps of the whole run; the last one has ``peak * final_share``.
    final_share
        Share of the peak that is left at the end; 0.1 as in Hoffmann et al. (2022). Ignored by ``constant``.
    """

    name: ScheduleName
    peak: float
    warmup_steps: int
    total_steps: int
    final_share: float = 0.1

    def __call__(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        if step < self.warmup_steps:
            return self.peak * (step + 1) / self.warmup_steps
        if self.name == "constant":
            return self.peak
        decay_steps = max(1, self.total_steps - 1 - self.warmup_steps)
        progress = min(1.0, (step - self.warmup_steps) / decay_steps)
        remaining = 0.5 * (1.0 + math.cos(math.pi * progress)) if self.name == "cosine" else 1.0 - progress
        return self.peak * (self.final_share + (1.0 - self.final_share) * remaining)


def warmup_steps(warmup: str | int, total_steps: int) -> int:
    """Turn a warm-up given in steps (``100``) or as a share of the run (``1%``) into steps.

    Raises
    ------
    ValueError
        When the text is neither, is negative, or is longer than the run.
    """
    text = str(warmup).strip()
    try:
        steps = math.ceil(float(text[:-1]) / 100 * total_steps) if text.endswith("%") else int(text)
    except (ValueError, OverflowError):  # infinity is a number to Python
        raise ValueError(
            f"schedule.warmup is {text!r}, wanted steps such as 100 or a share such as 1%"
        ) from None
    if not 0 <= steps <= total_steps:
        raise ValueError(
            f"schedule.warmup {text} is {steps} steps, wanted 0 to {total_steps} (the whole run)"
        )
    return steps
