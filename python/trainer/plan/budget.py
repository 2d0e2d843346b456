"""What a budget of dollars or hours buys, as plain values."""

from __future__ import annotations

import dataclasses
from typing import Any

from prepcore.arguments import UsageError
from trainer.flops import LlamaSizes
from trainer.plan.data import DataUse
from trainer.plan.holdings import Planned
from trainer.plan.memory import available
from trainer.plan.reverse import largest

Facts = dict[str, Any]


def budget_facts(planned: Planned, use: DataUse | None) -> Facts:
    """Return what a budget of dollars or hours buys.

    Parameters
    ----------
    planned
        With `--budget`, `--hours` or both, of which the tighter binds.
    use
        The data, where it is there.

    Raises
    ------
    UsageError
        When the speed of the devices, or the price that dollars are divided by, is not known.
    """
    config, model, rate, length = planned.config, planned.model, planned.rate, planned.length
    speed = rate.flops_per_second
    if speed is None:
        raise UsageError(
            f"a budget buys operations, and how many the {rate.name} does is not known ({rate.peak_from})",
            "give --trainer.peak-tflops, or --gpu NAME",
        )
    hours = []
    if config.hours is not None:
        hours.append(config.hours)
    if config.budget is not None:
        if not rate.price:
            raise UsageError(
                f"--budget buys hours, and the price of the {rate.name} is {rate.price or 'not known'}",
                "give --price DOLLARS of one device an hour, or --hours",
            )
        hours.append(config.budget / (rate.price * rate.devices))
    seconds = min(hours) * 3600
    operations = speed * seconds

    def fits(sizes: LlamaSizes) -> bool:
        if rate.memory is None:
            return True
        other = dataclasses.replace(model, sizes=sizes, trained_layers=sizes.layers)
        step = dataclasses.replace(planned, model=other).step()
        return step.memory(1, accumulates=True).total <= available(rate.memory)

    bought = largest(
        model.sizes,
        operations=operations,
        tokens_per_parameter=config.tokens_per_parameter,
        length=length,
        fits=fits,
        tokens_there=None if use is None else use.tokens,
    )
    tokens = int(operations / model.flops_per_token(length))
    found: Facts = {
        "hours": seconds / 3600,
        "dollars": rate.dollars(seconds),
        "operations": operations,
        "configured": {
            "parameters": model.sizes.parameters,
            "tokens": tokens,
            "tokens_per_parameter": tokens / model.sizes.parameters,
        },
        "model": None,
    }
    if bought is not None:
        spent = rate.seconds(bought.sizes.flops_per_token(length) * bought.tokens)
        found["model"] = {
            "sizes": dataclasses.asdict(bought.sizes),
            "parameters": bought.sizes.parameters,
            "tokens": bought.tokens,
            "tokens_per_parameter": bought.tokens / bought.sizes.parameters,
            "limit": bought.limit,
            "hours": None if spent is None else spent / 3600,
            "dollars": rate.dollars(spent),
            "options": options_of(bought.sizes, bought.tokens),
        }
    return found


def options_of(sizes: LlamaSizes, tokens: int) -> list[str]:
    """Return the options of fit that describe a model and the length of its run."""
    values = {
        "model.hidden-size": sizes.width,
        "model.intermediate-size": sizes.inner_width,
        "model.num-hidden-layers": sizes.layers,
        "model.num-attention-heads": sizes.heads,
        "model.num-key-value-heads": sizes.shared_heads,
        "model.vocab-size": sizes.vocabulary,
        "model.tie-word-embeddings": str(sizes.tied).lower(),
        "trainer.max-tokens": tokens,
    }
    return [f"--{name} {value}" for name, value in values.items()]
