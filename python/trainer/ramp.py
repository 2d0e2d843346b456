"""How many rows each optimizer step has, where the first steps of a run are smaller."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field


@dataclass(frozen=True)
class StepSizes:
    """Rows of every step: constant, or growing by a micro-batch at a time up to the full step.

    Early in a run small batches are said to lose little, and they give more steps.
    Every size of the ramp lasts as many rows, rounded up to whole steps. It is a pure function of the step,
    so a run continues anywhere in it.

    Parameters
    ----------
    full
        Rows of a step when the ramp is over.
    micro
        Rows of a micro-batch, by which steps grow; divides `full` and `first`.
    first
        Rows of the first step; `full` is no ramp.
    ramp_rows
        Rows over which the steps grow.
    """

    full: int
    micro: int = 1
    first: int = 0
    ramp_rows: int = 0
    _sizes: tuple[int, ...] = field(init=False)
    _steps: tuple[int, ...] = field(init=False)
    _rows: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        sizes = list(range(self.first or self.full, self.full, self.micro))
        steps, rows = [0], [0]
        for size in sizes:
            count = -(-self.ramp_rows // (len(sizes) * size))
            steps.append(steps[-1] + count)
            rows.append(rows[-1] + count * size)
        object.__setattr__(self, "_sizes", (*sizes, self.full))
        object.__setattr__(self, "_steps", tuple(steps))
        object.__setattr__(self, "_rows", tuple(rows))

    @property
    def all_sizes(self) -> tuple[int, ...]:
        """The rows that a step may have, in the order in which they come."""
        return self._sizes

    def rows(self, step: int) -> int:
        """Return the rows of a step, counted from 0."""
        return self._sizes[bisect_right(self._steps, step) - 1]

    def before(self, step: int) -> int:
        """Return how many rows all steps before one have."""
        stage = bisect_right(self._steps, step) - 1
        return self._rows[stage] + (step - self._steps[stage]) * self._sizes[stage]

    def whole_steps(self, rows: int) -> int:
        """Return how many whole steps so many rows make."""
        stage = bisect_right(self._rows, rows) - 1
        return self._steps[stage] + (rows - self._rows[stage]) // self._sizes[stage]

    def steps(self, rows: int) -> int:
        """Return how many steps it takes to have seen so many rows."""
        whole = self.whole_steps(rows)
        return whole + (self.before(whole) < rows)


def step_sizes(rows_per_step: int | StepSizes) -> StepSizes:
    """Take a number for that of every step."""
    return rows_per_step if isinstance(rows_per_step, StepSizes) else StepSizes(rows_per_step)
