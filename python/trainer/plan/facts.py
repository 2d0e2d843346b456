"""A whole plan as plain values: what ``--json`` prints, and what tables and page show.

Sizes are in bytes, times in seconds, rates in operations or tokens a second. A value that cannot be known,
such as hours on a device without a known peak, is null.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from trainer import __version__
from trainer.config.planning import PlanConfig
from trainer.flops import FORMULA
from trainer.plan import advice, cost
from trainer.plan.architecture import Architecture, architecture
from trainer.plan.budget import budget_facts
from trainer.plan.computation import Computation, computation
from trainer.plan.data import DataUse, data_use
from trainer.plan.holdings import Planned, machine_facts, memory_facts
from trainer.plan.machines import PRICES_OF
from trainer.plan.memory import available
from trainer.plan.run import Length, open_planned, row_length, run_length

FORMAT_VERSION = 1

Facts = dict[str, Any]


def plan(config: PlanConfig) -> Facts:
    """Work a plan out.

    Raises
    ------
    UsageError
        When the configuration or the data is wrong, as for a run; or when a budget is given and the speed or
        the price of the devices is not known.
    """
    folder = open_planned(config)
    length = row_length(config, folder)
    model = architecture(config, folder, length)
    run = run_length(config, folder, model, length)
    how = computation(config, model, isolate=run.numbers.isolate, tokens=run.tokens)
    rate = cost.rate(config, precision=how.precision)
    use = None
    if folder is not None:
        rows, optimal = run.numbers.total_rows, -(-run.optimal_tokens // length)
        use = data_use(folder, length=length, rows=rows, optimal_rows=optimal)
    planned = Planned(config, model, how, run, rate)
    facts: Facts = {
        "format": "trainer.plan",
        "format_version": FORMAT_VERSION,
        "program": f"trainer {__version__}",
        "model": _model(model, length),
        "run": _run(config, run, model),
        "data": None if use is None else _data(use, run),
        "computation": _computation(how, config, model, length),
        "device": _device(rate),
        "memory": memory_facts(planned),
        "time": _time(planned),
        "machines": machine_facts(planned),
        "advice": _advice(config, model, run, length),
        "reverse": None,
        "notes": [*model.notes, *(use.warnings if use else ())],
    }
    if config.budget is not None or config.hours is not None:
        facts["reverse"] = budget_facts(planned, use)
    return facts


def _model(model: Architecture, length: int) -> Facts:
    sizes = model.sizes
    return {
        "parameters": sizes.parameters,
        "parameters_without_embedding": sizes.parameters_without_embedding,
        "trained_parameters": model.trained,
        "parts": model.parts(),
        "sizes": dataclasses.asdict(sizes),
        "sequence_length": length,
        "flops_per_token": model.flops_per_token(length),
        "flops_formula": FORMULA,
        "forward_flops_per_token": sizes.flops_per_token(length) / 3,
    }


def _run(config: PlanConfig, run: Length, model: Architecture) -> Facts:
    numbers = run.numbers
    return {
        "steps": numbers.total_steps,
        "tokens": run.tokens,
        "why": run.why,
        "tokens_per_step": numbers.tokens_per_step,
        "rows_per_step": numbers.rows_per_step,
        "micro": config.batch.micro,
        "micro_batches_per_device": run.micro_batches // config.devices,
        "tokens_per_parameter": run.tokens / model.sizes.parameters,
        "optimal_tokens": run.optimal_tokens,
        "optimal_tokens_per_parameter": config.tokens_per_parameter,
        "learning_rate": config.optimizer.learning_rate,
    }


def _data(use: DataUse, run: Length) -> Facts:
    return {
        "path": use.path,
        "tokens": use.tokens,
        "validation_tokens": use.validation_tokens,
        "epochs": run.tokens / use.tokens,
        "optimal_epochs": run.optimal_tokens / use.tokens,
        "sources": [dataclasses.asdict(source) for source in use.sources],
    }


def _computation(how: Computation, config: PlanConfig, model: Architecture, length: int) -> Facts:
    tokens = config.batch.micro * length
    return {
        "device": how.device,
        "precision": how.precision,
        "attention": how.attention,
        "loss": how.loss(tokens, model.sizes.vocabulary),
        "compile": "on" if how.compiled else "off",
        "activation_checkpointing": how.recompute,
        "optimizer": config.optimizer.name,
    }


def _device(rate: cost.Rate) -> Facts:
    return {
        "name": rate.name,
        "devices": rate.devices,
        "memory": rate.memory,
        "available": None if rate.memory is None else available(rate.memory),
        "peak_tflops": rate.teraflops,
        "peak_from": rate.peak_from,
        "mfu": rate.mfu,
        "price": rate.price,
        "price_from": rate.price_from,
        "prices_of": PRICES_OF,
    }


def _time(planned: Planned) -> Facts:
    rate, run, operations = planned.rate, planned.run, planned.operations
    seconds = rate.seconds(operations)
    return {
        "operations": operations,
        "seconds": seconds,
        "hours": None if seconds is None else seconds / 3600,
        "dollars": rate.dollars(seconds),
        "tokens_per_second": None if not seconds else run.tokens / seconds,
        "seconds_per_step": None if seconds is None else seconds / run.numbers.total_steps,
    }


def _advice(config: PlanConfig, model: Architecture, run: Length, length: int) -> Facts:
    sizes = model.sizes
    head = 0 if sizes.tied else sizes.vocabulary * sizes.width
    embedding = sizes.vocabulary * sizes.width
    inner = sizes.parameters - embedding - head
    inner_flops = 6.0 * inner + 12 * sizes.layers * sizes.attention_width * length
    suggested = advice.suggestions(
        parameters=sizes.parameters, inner=inner, tokens=float(run.tokens), inner_flops=inner_flops
    )
    return {
        "batch_tokens": run.numbers.tokens_per_step,
        "learning_rate": config.optimizer.learning_rate,
        "from_random_weights": config.model.init.strategy == "random" and not config.resume,
        "optimizer": config.optimizer.name,
        "suggestions": [dataclasses.asdict(each) for each in suggested],
        "critical_batch": advice.CRITICAL_BATCH,
    }
