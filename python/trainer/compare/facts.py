"""A comparison as plain values: what ``--json`` prints, and what tables and page show.

Losses are in nats a token, times in hours, arithmetic in floating-point operations. What is not known is
null. What is compared is named by letters; ``compared`` says what each stands for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

from trainer import __version__
from trainer.compare import differences
from trainer.compare.continuations import generated, logged
from trainer.compare.gathered import Gathered
from trainer.compare.logs import MEASURED, Log, at_equal
from trainer.compare.remarks import remarks
from trainer.compare.scores import NOISE_FORMULA, Scored, score_facts
from trainer.compare.subjects import open_compared
from trainer.compare.validation import HeldOut
from trainer.config.comparing import CompareConfig
from trainer.flops import FORMULA

FORMAT_VERSION = 1

AXES = {"tokens": "tokens", "flops": "flops", "hours": "hours", "steps": "step"}
"""The axes by the names of their options, and what a point calls them."""

Facts = dict[str, Any]


def compare(config: CompareConfig, prompts: Sequence[str] = ()) -> Facts:
    """Compare runs and checkpoints.

    Parameters
    ----------
    config
        What is compared, and how.
    prompts
        To continue now; where there are none, what runs have logged is taken.

    Raises
    ------
    UsageError
        As :func:`trainer.compare.subjects.open_compared`, and where a prompt cannot be continued.
    """
    everything = [Gathered.of(each) for each in open_compared(config.subjects, config.checkpoint)]
    curves = [_curves(each) for each in everything]
    scored = [Scored.of(each.compared, each.evaluations) for each in everything]
    described = [_described(each, drawn) for each, drawn in zip(everything, curves, strict=True)]
    _hold_against_first(everything, described)
    return {
        "format": "trainer.compare",
        "format_version": FORMAT_VERSION,
        "program": f"trainer {__version__}",
        "axis": config.axis,
        "flops_formula": FORMULA,
        "noise_formula": NOISE_FORMULA,
        "compared": described,
        "curves": curves,
        "at_equal": _at_equal(curves, config.axis),
        "scores": score_facts(scored),
        "score_curves": _score_curves(everything),
        "samples": _samples(config, everything, prompts),
        "differences": _differences(everything),
        "notes": remarks(everything, described, config.checkpoint),
    }


def _curves(each: Gathered) -> Facts:
    log = each.log
    drawn = {name: log.curve(column) if log else [] for name, column in MEASURED}
    return {"key": each.compared.key, **drawn}


def _described(each: Gathered, curves: Facts) -> Facts:
    """Describe one of what is compared: what it is, how far it came, and what was measured."""
    compared, log, sizes = each.compared, each.log, each.sizes
    facts = each.facts
    step = (facts.step if facts and facts.lines else None) if compared.whole else compared.step
    place = None if log is None or step is None else log.place_of_step(step)
    stated = [evaluation for evaluation in each.evaluations if evaluation.step == step and evaluation.tokens]
    tokens = place["tokens"] if place else stated[-1].tokens if stated else None
    total = facts.about.get("total_steps") if facts else None
    speeds = [value for _, value in facts.column("tokens_per_second")] if facts else []
    best = min(curves["validation"], key=lambda point: point["value"], default=None)
    training = curves["training"]
    return {
        "key": compared.key,
        "name": compared.name,
        "path": str(compared.path),
        "kind": "run" if compared.whole else "checkpoint",
        "run": str(compared.run.path) if compared.run else None,
        "checkpoint": str(compared.checkpoint) if compared.checkpoint else None,
        "checkpoint_step": compared.step,
        "step": step,
        "total_steps": total,
        "tokens": tokens,
        "flops": place["flops"] if place else None,
        "hours": place["hours"] if place else None,
        "parameters": sizes.parameters if sizes else None,
        "parameters_without_embedding": sizes.parameters_without_embedding if sizes else None,
        "flops_per_token": log.flops_per_token if log else None,
        "tokens_per_second": median(speeds) if speeds else None,
        "device": facts.about.get("device") if facts else None,
        "training_loss": training[-1]["value"] if training else None,
        "final": _validation(log, curves["validation"][-1] if curves["validation"] else None),
        "best": _validation(log, best),
    }


def _validation(log: Log | None, point: Facts | None) -> Facts | None:
    """Return what a validation found, with what was worked out of it."""
    if log is None or point is None:
        return None
    more = {name: dict(log.facts.column(name)).get(point["step"]) for name in ("perplexity", "bits_per_byte")}
    return {"step": point["step"], "tokens": point["tokens"], "loss": point["value"], **more}


def _hold_against_first(everything: Sequence[Gathered], described: Sequence[Facts]) -> None:
    """Say of each validation whether it may be compared with the first one that there is."""
    first: HeldOut | None = None
    for each, about in zip(everything, described, strict=True):
        about["comparable"] = None
        if each.facts is None or about["final"] is None:
            continue
        held_out = HeldOut.of(each.facts, each.data, each.compared.checkpoint)
        if first is None:
            first, reference = held_out, about["key"]
            about["comparable"] = {"with": reference, "what": "yes", "why": ""}
        else:
            what, why = first.comparable(held_out)
            about["comparable"] = {"with": reference, "what": what, "why": why}


def _at_equal(curves: Sequence[Facts], axis: str) -> Facts:
    """Read the validation losses, or else those of training, at the same places of an axis."""
    kind = "validation" if sum(bool(drawn["validation"]) for drawn in curves) > 1 else "training"
    places, values = at_equal([drawn[kind] for drawn in curves], AXES[axis])
    read = {drawn["key"]: found for drawn, found in zip(curves, values, strict=True) if any(found)}
    return {"axis": axis, "kind": kind, "places": places if len(read) > 1 else [], "losses": read}


def _score_curves(everything: Sequence[Gathered]) -> list[Facts]:
    """Return the scores of each task over training, where somebody has more than one."""
    curves: dict[tuple[str, str], Facts] = {}
    for each in everything:
        for evaluation in each.evaluations:
            place = None
            if each.log is not None and evaluation.step is not None:
                place = each.log.place_of_step(evaluation.step)
            if place is None:
                continue
            for name, result in evaluation.results.items():
                if result.main in result.scores:
                    value, error = result.scores[result.main]
                    points = curves.setdefault((name, result.main), {}).setdefault(each.compared.key, {})
                    # Of one step the last file counts.
                    points[evaluation.step] = {**place, "value": value, "stderr": error}
    return [
        {
            "name": name,
            "metric": metric,
            "points": {key: list(found.values()) for key, found in by_key.items()},
        }
        for (name, metric), by_key in curves.items()
        if any(len(found) > 1 for found in by_key.values())
    ]


def _samples(config: CompareConfig, everything: Sequence[Gathered], prompts: Sequence[str]) -> Facts:
    if prompts:
        entries = generated(config, [each.compared for each in everything], prompts)
        how = {name: getattr(config, name) for name in ("max_new_tokens", "temperature", "seed")}
        return {"from": "prompts", "settings": how, "prompts": entries}
    lines = {}
    for each in everything:
        facts, until = each.facts, each.compared.step
        found = facts.samples if facts else ()
        lines[each.compared.key] = [
            line
            for line in found
            if str(line.get("step")).isdecimal() and (until is None or int(line["step"]) <= until)
        ]
    return {"from": "samples.csv", "settings": None, "prompts": logged(lines)}


def _differences(everything: Sequence[Gathered]) -> Facts:
    def rows(say: Any) -> list[differences.Row]:
        return differences.differing({each.compared.key: say(each) for each in everything})

    return {
        "configuration": rows(lambda each: differences.configuration(each.facts)),
        "initialization": rows(lambda each: differences.initialization(each.initialization)),
        "data": rows(lambda each: differences.data(each.data)),
        "model": rows(lambda each: differences.model(asdict(each.sizes) if each.sizes else {})),
        "training": rows(lambda each: differences.training(each.facts)),
    }
