"""What a plan may be told: all that a run may be, and what it would be computed on and paid with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from prepcore.arguments import option, parse_share
from trainer.config.commands import FitConfig
from trainer.config.training import DataConfig

Gpu = Literal["b200", "h200", "h100", "a100-80gb", "a100-40gb", "l40s", "l4", "rtx-4090", "rtx-3090"]
"""The GPUs that a plan knows; `trainer.plan.machines` has what it knows of them."""


def parse_dollars(value: Any) -> float:
    """Convert ``$500``, ``1,500`` or a number to dollars.

    Raises
    ------
    ValueError
        When it is no amount above 0.
    """
    text = str(value).strip().removeprefix("$").replace(",", "").strip()
    try:
        dollars = float(text)
    except ValueError:
        dollars = 0.0
    if isinstance(value, bool) or not 0 < dollars < 1e15:
        raise ValueError(f"{str(value)!r} is not an amount of dollars above 0, such as '$500' or 500")
    return dollars


def parse_used_share(value: Any) -> float:
    """Convert a share of a peak, ``40%`` or ``0.4``, which cannot be 0.

    Raises
    ------
    ValueError
        When it is no share, or 0.
    """
    share = parse_share(value)
    if not share:
        raise ValueError(f"{str(value)!r} is no share above 0, such as 0.4 or 40%")
    return share


@dataclass(frozen=True, kw_only=True)
class PlannedData(DataConfig):
    """The data, which need not be there yet."""

    path: str = option(
        "",
        "as for fit; left out, the plan says how much the run needs",
        metavar="DIR_OR_RECIPE",
    )


@dataclass(frozen=True, kw_only=True)
class PlanConfig(FitConfig):
    """Everything that ``python -m trainer plan`` may be told: all that fit takes, and what follows here."""

    data: PlannedData = field(default_factory=PlannedData)
    gpu: Gpu | None = option(None, "the device (h100; none with --trainer.accelerator cpu)")
    mfu: float = option(
        0.4,
        "share of the peak that is used: an assumption, until a short run of fit shows it",
        metavar="SHARE",
        parse=parse_used_share,
    )
    price: float | None = option(
        None, "dollars an hour of one device (an assumption of 2026-11)", minimum=0, metavar="DOLLARS"
    )
    tokens_per_parameter: float = option(
        20.0, "tokens a parameter that are compute-optimal (Hoffmann et al., 2022)", minimum=0.001
    )
    budget: float | None = option(
        None, "answer the other way round: the largest sensible model for so much", metavar="'$500'",
        parse=parse_dollars,
    )  # fmt: skip
    hours: float | None = option(
        None, "the same for so many hours of all devices", minimum=0.001, metavar="HOURS"
    )
    page: str | None = option(None, "write the plan as an HTML page, too", metavar="FILE")
    json: bool = option(False, "print the plan as JSON")

    @property
    def devices(self) -> int:
        """How many devices share each step, on all nodes."""
        return (self.trainer.devices or 1) * (self.trainer.num_nodes or 1)
