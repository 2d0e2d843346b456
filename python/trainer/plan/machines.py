"""The GPUs that a plan knows: memory, peak, and a price that stands for any."""

from __future__ import annotations

from dataclasses import dataclass

from trainer.config.planning import Gpu
from trainer.flops import Peak, known_peak

PRICES_OF = "2026-11"
"""When the prices were put down: round figures of the order that GPU clouds ask on demand. They are an
assumption, not a quotation; `--price` replaces them."""


@dataclass(frozen=True)
class Machine:
    """A GPU.

    Attributes
    ----------
    key
        What `--gpu` calls it.
    name
        What torch would call it, by which its peak is looked up.
    memory
        Bytes, the data sheet's GB taken as 10⁹; what a driver shows is a little more.
    price
        Dollars an hour that are assumed; see :data:`PRICES_OF`.
    source
        The data sheet that states the memory.
    """

    key: Gpu
    name: str
    memory: int
    price: float
    source: str

    @property
    def peak(self) -> Peak:
        """Dense bf16 products, and where that is published."""
        peak = known_peak(self.name)
        if peak is None:
            raise LookupError(f"{self.name} has no peak in trainer.flops")
        return peak


GB = 10**9

MACHINES: tuple[Machine, ...] = (
    Machine("b200", "NVIDIA B200", 180 * GB, 5.00, "NVIDIA DGX B200 datasheet: 1,440 GB for eight"),
    Machine("h200", "NVIDIA H200", 141 * GB, 3.50, "NVIDIA H200 datasheet, SXM column"),
    Machine("h100", "NVIDIA H100 80GB HBM3", 80 * GB, 2.50, "NVIDIA H100 datasheet, SXM column"),
    Machine("a100-80gb", "NVIDIA A100-SXM4-80GB", 80 * GB, 1.50, "NVIDIA A100 datasheet, 80GB SXM column"),
    Machine("a100-40gb", "NVIDIA A100-SXM4-40GB", 40 * GB, 1.20, "NVIDIA A100 datasheet of 2020, 40 GB"),
    Machine("l40s", "NVIDIA L40S", 48 * GB, 1.00, "NVIDIA L40S datasheet"),
    Machine("l4", "NVIDIA L4", 24 * GB, 0.60, "NVIDIA L4 datasheet"),
    Machine("rtx-4090", "NVIDIA GeForce RTX 4090", 24 * GB, 0.40, "NVIDIA GeForce RTX 4090 specifications"),
    Machine("rtx-3090", "NVIDIA GeForce RTX 3090", 24 * GB, 0.25, "NVIDIA GeForce RTX 3090 specifications"),
)
"""In the order in which tables list them."""

DEFAULT = "h100"


def machine(key: str) -> Machine:
    """Return a GPU by the name that `--gpu` takes."""
    return next(each for each in MACHINES if each.key == key)
