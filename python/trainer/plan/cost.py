"""Hours and dollars of a run, at a stated share of the peak and a stated price."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from trainer.config.planning import PlanConfig
from trainer.plan.computation import device_of
from trainer.plan.machines import DEFAULT, MACHINES, PRICES_OF, Machine, machine


@dataclass(frozen=True)
class Rate:
    """How fast and how dear the devices of a plan are.

    Attributes
    ----------
    name
        What the device is called.
    memory
        Bytes of one; None where they are not known.
    teraflops
        The peak of one, 10¹² operations a second; None where it is not known.
    peak_from
        Where the peak comes from.
    mfu
        Share of it that is used.
    price
        Dollars an hour of one; None where none is known.
    price_from
        Where the price comes from.
    devices
        How many there are.
    """

    name: str
    memory: int | None
    teraflops: float | None
    peak_from: str
    mfu: float
    price: float | None
    price_from: str
    devices: int

    @property
    def flops_per_second(self) -> float | None:
        """What all of them do in a second, at that share."""
        return None if self.teraflops is None else self.teraflops * 1e12 * self.mfu * self.devices

    def seconds(self, operations: float) -> float | None:
        """Return how long so many operations take; None where the peak is not known."""
        speed = self.flops_per_second
        return None if speed is None else operations / speed

    def dollars(self, seconds: float | None) -> float | None:
        """Return what so much time of all devices costs; None where time or price is not known."""
        return None if seconds is None or self.price is None else seconds / 3600 * self.price * self.devices


def rate(config: PlanConfig, *, precision: str) -> Rate:
    """Return the devices that are planned for.

    Parameters
    ----------
    config
        The whole configuration.
    precision
        As Lightning names it; the peaks of the table are those of bf16.
    """
    if device_of(config) == "cpu":
        return Rate(
            "CPU", None, config.trainer.peak_tflops, _peak_from(config, "not known"), config.mfu,
            config.price, "--price" if config.price is not None else "not known", config.devices,
        )  # fmt: skip
    return of_machine(config, machine(config.gpu or DEFAULT), precision=precision)


def of_machine(config: PlanConfig, chosen: Machine, *, precision: str) -> Rate:
    """Return devices of the table, with what the options replace."""
    known = chosen.peak.teraflops if precision.startswith("bf16") else None
    source = chosen.peak.source if known is not None else "not known in fp32"
    return Rate(
        chosen.name,
        chosen.memory,
        config.trainer.peak_tflops if config.trainer.peak_tflops is not None else known,
        _peak_from(config, source),
        config.mfu,
        chosen.price if config.price is None else config.price,
        f"assumed, {PRICES_OF}" if config.price is None else "--price",
        config.devices,
    )


def every_machine(config: PlanConfig, *, precision: str) -> list[tuple[Machine, Rate]]:
    """Return the rates of all GPUs; a price or a peak that was given is for the one planned for alone."""
    plain = dataclasses.replace(
        config, price=None, trainer=dataclasses.replace(config.trainer, peak_tflops=None)
    )
    chosen = config.gpu or DEFAULT
    return [
        (each, of_machine(config if each.key == chosen else plain, each, precision=precision))
        for each in MACHINES
    ]


def _peak_from(config: PlanConfig, source: str) -> str:
    return "trainer.peak-tflops" if config.trainer.peak_tflops is not None else source
