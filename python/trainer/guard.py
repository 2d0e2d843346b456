"""Which steps are left out: judged on the device, read by the host every few steps.

The sums that a run over several processes has to reduce are the loss and the norm of the gradient; with
these equal everywhere, every process judges alike.
"""

from __future__ import annotations

import torch
from torch import Tensor

WINDOW = 100
"""Steps that a spike is held against."""

WARM = WINDOW // 2
"""Steps that must have been seen before anything is called a spike, for a deviation of a few says little."""


class Guard:
    """Judges each step by its loss and the norm of its gradient, without a wait for the device.

    A step that is not finite is left out, and its number remembered: the run is to be stopped. A step with a
    spike is left out and counted, and training goes on. Spikes enter the window too, so that a level that
    has changed for good is accepted in the end.

    Parameters
    ----------
    sigma
        Deviations above the mean of the window that make a spike, of the loss or of the norm; None: none do.

    Attributes
    ----------
    window
        Loss and norm of the last finite steps, a ring, shape ``(100, 2)``, float32.
    seen
        Finite steps seen, a scalar.
    first_bad
        The first step that was not finite; -1 where all were.
    spikes
        Steps left out as spikes.
    """

    def __init__(self, sigma: float | None = None) -> None:
        self.sigma = sigma
        self.window = torch.zeros(WINDOW, 2)
        self.seen = torch.zeros((), dtype=torch.int64)
        self.first_bad = torch.full((), -1, dtype=torch.int64)
        self.spikes = torch.zeros((), dtype=torch.int64)

    def to(self, device: torch.device) -> None:
        """Move what is remembered to a device."""
        for name, tensor in self.state().items():
            setattr(self, name, tensor.to(device))

    def state(self) -> dict[str, Tensor]:
        """Return what a checkpoint has to hold."""
        return {
            "window": self.window,
            "seen": self.seen,
            "first_bad": self.first_bad,
            "spikes": self.spikes,
        }

    def load(self, state: dict[str, Tensor]) -> None:
        """Take over what a checkpoint holds."""
        for name, tensor in state.items():
            setattr(self, name, tensor.to(self.window.device))

    @torch.no_grad()
    def judge(self, step: int, loss: Tensor, norm: Tensor) -> Tensor:
        """Return 1.0 where a step (counted from 0) is to be left out, else 0.0, a scalar on the device."""
        values = torch.stack([loss, norm]).float()
        finite = values.isfinite().all()
        bad = ~finite & (self.first_bad < 0)
        self.first_bad = torch.where(bad, step, self.first_bad)
        if self.sigma is None:
            return (~finite).float()
        spike = finite & self._is_spike(values)
        self.spikes = self.spikes + spike
        place = (torch.arange(WINDOW, device=values.device) == self.seen % WINDOW) & finite
        self.window = torch.where(place[:, None], values, self.window)
        self.seen = self.seen + finite
        return (~finite | spike).float()

    def _is_spike(self, values: Tensor) -> Tensor:
        filled = (torch.arange(WINDOW, device=values.device) < self.seen)[:, None]
        count = self.seen.clamp(min=2)
        mean = (self.window * filled).sum(dim=0) / count
        variance = ((self.window - mean).square() * filled).sum(dim=0) / (count - 1)
        above = values > mean + self.sigma * variance.sqrt()  # type: ignore[operator]
        return above.any() & (self.seen >= WARM)
