"""The learning rate as a pure function of the step."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

ScheduleName = Literal["cosine", "linear", "constant", "wsd"]
Shape = Literal["linear", "cosine", "sqrt"]


@dataclass(frozen=True)
class Schedule:
    """Linear warm-up to the peak, then a decay to a share of it.

    The rate is computed from the step alone, so nothing of it has to be saved, and a resumed run may be given
    another peak or another length.

    Parameters
    ----------
    name
        Shape of the decay: ``cosine`` (Loshchilov and Hutter, 2017), ``linear``, ``constant``, or ``wsd``,
        which stays at the peak until the last `decay_steps` (Hu et al., 2024, MiniCPM).
    peak
        The highest learning rate, reached at the end of the warm-up.
    warmup_steps
        Steps of warm-up; the first step already moves (it has ``peak / warmup_steps``).
    total_steps
        Steps of the whole run; the last one has ``peak * final_share``.
    final_share
        Share of the peak that is left at the end; 0.1 as in Hoffmann et al. (2022). Ignored by ``constant``.
    decay_steps
        Of ``wsd``: how many of the last steps lie below the peak.
    decay_shape
        Of ``wsd``: ``linear``, ``cosine``, or ``sqrt``, one minus a square root (Hägele et al., 2024).
    """

    name: ScheduleName
    peak: float
    warmup_steps: int
    total_steps: int
    final_share: float = 0.1
    decay_steps: int = 0
    decay_shape: Shape = "linear"

    def __call__(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        if step < self.warmup_steps:
            return self.peak * (step + 1) / self.warmup_steps
        if self.name == "constant":
            return self.peak
        if self.name == "wsd":
            # The step before the first that decays has the peak.
            begin = self.total_steps - 1 - self.decay_steps
            progress = max(0, step - begin) / max(1, self.decay_steps)
            return self._decayed(self.decay_shape, progress)
        decay_steps = max(1, self.total_steps - 1 - self.warmup_steps)
        return self._decayed(self.name, (step - self.warmup_steps) / decay_steps)

    def _decayed(self, shape: Shape, progress: float) -> float:
        progress = min(1.0, progress)
        if shape == "cosine":
            remaining = 0.5 * (1.0 + math.cos(math.pi * progress))
        else:
            remaining = 1.0 - (math.sqrt(progress) if shape == "sqrt" else progress)
        return self.peak * (self.final_share + (1.0 - self.final_share) * remaining)


def steps_of(
    name: str, wanted: str | int, total_steps: int, steps_of_tokens: Callable[[int], int] | None = None
) -> int:
    """Turn a stretch of the run into steps.

    Parameters
    ----------
    name
        The option, for what is said of a mistake.
    wanted
        Steps (``100``), a share of the steps of the run (``1%``) or tokens (``2000000t``).
    total_steps
        Steps of the whole run.
    steps_of_tokens
        How many steps so many tokens take, from the end of the run that the stretch lies at.

    Raises
    ------
    ValueError
        When the text is none of these, is negative, or is longer than the run.
    """
    text = str(wanted).strip()
    try:
        if text.endswith("%"):
            steps = math.ceil(float(text[:-1]) / 100 * total_steps)
        elif text.endswith("t") and steps_of_tokens is not None:
            steps = steps_of_tokens(int(text[:-1]))
        else:
            steps = int(text)
    except (ValueError, OverflowError):  # infinity is a number to Python
        raise ValueError(
            f"{name} is {text!r}, wanted steps such as 100, a share such as 1%, or tokens such as 2000000t"
        ) from None
    if not 0 <= steps <= total_steps:
        raise ValueError(f"{name} {text} is {steps} steps, wanted 0 to {total_steps} (the whole run)")
    return steps


def warmup_steps(
    warmup: str | int, total_steps: int, steps_of_tokens: Callable[[int], int] | None = None
) -> int:
    """Turn the length of the warm-up into steps; see `steps_of`."""
    return steps_of("schedule.warmup", warmup, total_steps, steps_of_tokens)
