"""The memory of a plan as plain values: by strategy, by what is recomputed, and on every GPU of the table."""

from __future__ import annotations

import dataclasses
from typing import Any

from trainer.config import Loss
from trainer.config.planning import PlanConfig
from trainer.plan import cost
from trainer.plan.architecture import Architecture
from trainer.plan.computation import Computation
from trainer.plan.memory import Memory, Step, available
from trainer.plan.run import Length
from trainer.plan.strategies import STRATEGIES, Strategy, strategy_of

Facts = dict[str, Any]

SHARED_BY = 8
"""Devices for which the shared strategies are shown where the plan is for one: those of a usual machine."""

LOSSES: tuple[Loss, ...] = ("chunked", "whole")


@dataclasses.dataclass(frozen=True)
class Planned:
    """A run, as far as it was settled: what the sections of a plan are worked out from."""

    config: PlanConfig
    model: Architecture
    how: Computation
    run: Length
    rate: cost.Rate

    @property
    def length(self) -> int:
        """Tokens in a row."""
        return self.run.numbers.length

    @property
    def operations(self) -> float:
        """Floating-point operations of the whole run."""
        return self.model.flops_per_token(self.length) * self.run.tokens

    def step(self, strategy: Strategy | None = None, devices: int | None = None) -> Step:
        """Return what a device does in a step; by default as it is configured."""
        devices = self.config.devices if devices is None else devices
        strategy = strategy or strategy_of(self.config)
        return Step(self.model, self.config.optimizer, self.how, self.length, strategy, devices)

    def accumulates(self, devices: int) -> bool:
        """Whether a step has several micro-batches on each of so many devices."""
        return self.run.micro_batches > devices


def memory_facts(planned: Planned) -> Facts:
    """Return the memory by strategy, by what is recomputed and by the way of the loss."""
    config, rate = planned.config, planned.rate
    micro = config.batch.micro
    strategies = []
    for strategy, title in STRATEGIES.items():
        if strategy != "single" and planned.how.device == "cpu" and config.devices == 1:
            continue
        if strategy in ("zero2", "zero3") and config.optimizer.name == "muon":
            continue  # it needs whole matrices
        devices = 1 if strategy == "single" else _shared_by(config)
        step = planned.step(strategy, devices)
        entry = _held(step.memory(micro, accumulates=planned.accumulates(devices)))
        entry |= {"strategy": strategy, "title": title, "devices": devices}
        if rate.memory is not None:
            entry["largest_micro"] = step.largest_micro(available(rate.memory))
            entry["fits"] = entry["total"] <= available(rate.memory)
        strategies.append(entry)
    return {
        "micro": micro,
        "tokens": micro * planned.length,
        "accumulates": planned.accumulates(config.devices),
        "strategies": strategies,
        "variants": _variants(planned),
    }


def _shared_by(config: PlanConfig) -> int:
    return config.devices if config.devices > 1 else SHARED_BY


def _held(memory: Memory) -> Facts:
    return {"total": memory.total, "moment": memory.moment, "parts": memory.parts}


def _variants(planned: Planned) -> list[Facts]:
    """Return the memory for each thing that may be recomputed and each way of the loss."""
    rate, how, devices = planned.rate, planned.how, planned.config.devices
    found = []
    for recompute in sorted({0, 1, 2, how.recompute_every}):
        for loss in LOSSES:
            other = dataclasses.replace(how, recompute_every=recompute, asked_loss=loss)
            step = dataclasses.replace(planned, how=other).step()
            activations, held = step.micro_batch(planned.config.batch.micro)
            memory = step.memory(planned.config.batch.micro, accumulates=planned.accumulates(devices))
            fitting = None if rate.memory is None else step.largest_micro(available(rate.memory))
            found.append(
                {
                    "activation_checkpointing": other.recompute,
                    "loss": loss,
                    "total": memory.total,
                    "activations": activations,
                    "logits_and_loss": held,
                    "largest_micro": fitting,
                }
            )
    return found


def machine_facts(planned: Planned) -> list[Facts]:
    """Return what the run would be on every GPU of the table."""
    if planned.how.device == "cpu":
        return []
    step = planned.step()
    found = []
    for machine, rate in cost.every_machine(planned.config, precision=planned.how.precision):
        seconds = rate.seconds(planned.operations)
        found.append(
            {
                "gpu": machine.key,
                "name": machine.name,
                "memory": machine.memory,
                "memory_from": machine.source,
                "peak_tflops": rate.teraflops,
                "peak_from": rate.peak_from,
                "price": rate.price,
                "price_from": rate.price_from,
                "largest_micro": step.largest_micro(available(machine.memory)),
                "hours": None if seconds is None else seconds / 3600,
                "dollars": rate.dollars(seconds),
            }
        )
    return found
