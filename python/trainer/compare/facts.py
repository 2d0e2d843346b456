"""A comparison as plain values: what ``--json`` prints, and what tables and page show.

Losses are in nats a token, times in hours, arithmetic in floating-point operations. What is not known is
null. What is compared is named by letters; ``compared`` says what each stands for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from trainer import __version__
from trainer.compare import differences
from trainer.compare.continuations import generated, logged
from trainer.compare.evaluations import Evaluation, evaluations_of
from trainer.compare.logs import MEASURED, Log, at_equal
from trainer.compare.scores import NOISE_FORMULA, Scored, score_facts
from trainer.compare.subjects import Compared, open_compared
from trainer.compare.validation import Data, HeldOut
from trainer.config.comparing import CompareConfig
from trainer.flops import FORMULA, LlamaSizes
from trainer.initialize.source import DESCRIPTION
from trainer.report.data import data_of
from trainer.report.facts import RunFacts, read_json

FORMAT_VERSION = 1

AXES = {"tokens": "tokens", "flops": "flops", "hours": "hours", "steps": "step"}
"""The axes by the names of their options, and what a point calls them."""

Facts = dict[str, Any]


@dataclass(frozen=True)
class Gathered:
    """All that the files say of one of those that are compared.

    Attributes
    ----------
    compared
        Which it is.
    log
        Its log; None outside of a run.
    data
        The manifests of what it was trained on.
    sizes
        Of its model; None where no file tells.
    evaluations
        By step.
    strange
        Files in the place of evaluations that are none.
    """

    compared: Compared
    log: Log | None
    data: Data
    sizes: LlamaSizes | None
    evaluations: Sequence[Evaluation]
    strange: Sequence[str]

    @classmethod
    def of(cls, compared: Compared) -> Gathered:
        """Read the files; what is missing is left out."""
        facts = RunFacts.gather(compared.run) if compared.run else None
        about = facts.about if facts else {}
        sizes = _sizes(compared, about)
        flops = about.get("flops_per_token")
        if flops is None and sizes is not None and about.get("sequence_length"):
            flops = sizes.flops_per_token(about["sequence_length"])
        log = None
        if facts is not None:
            log = Log.of(facts, flops, None if compared.whole else compared.step)
        evaluations, strange = evaluations_of(compared)
        return cls(
            compared,
            log,
            data_of(facts) if facts else [],
            sizes,
            evaluations,
            [str(path) for path in strange],
        )

    @property
    def facts(self) -> RunFacts | None:
        """Its run."""
        return self.log.facts if self.log else None


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
        "notes": _notes(everything, described),
    }


def _sizes(compared: Compared, about: Mapping[str, Any]) -> LlamaSizes | None:
    """Read the sizes of a model from ``run.json``, or from the description of the checkpoint."""
    try:
        if about.get("sizes"):
            return LlamaSizes(**about["sizes"])
        if compared.checkpoint is not None:
            return LlamaSizes.of_description(read_json(compared.checkpoint / DESCRIPTION))
    except (AttributeError, TypeError):
        pass
    return None


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
        "initialization": rows(lambda each: differences.initialization(each.facts)),
        "data": rows(lambda each: differences.data(each.data)),
        "model": rows(lambda each: differences.model(each.facts, asdict(each.sizes) if each.sizes else None)),
    }


def _notes(everything: Sequence[Gathered], described: Sequence[Facts]) -> list[str]:
    """Say what a reader has to know of the figures."""
    notes = []
    for each, about in zip(everything, described, strict=True):
        key = each.compared.key
        if each.log is not None:
            if each.log.not_finite:
                count = each.log.not_finite
                some = (
                    "1 line of the log has a loss"
                    if count == 1
                    else f"{count:,} lines of the log have a loss"
                )
                notes.append(f"{key}: {some} that is no number; left out")
            if each.log.unreadable:
                notes.append(f"{key}: {each.log.unreadable:,} lines of the log cannot be read; left out")
            if not each.log.facts.lines:
                notes.append(f"{key}: the run has logged nothing yet")
        began = each.facts.initialization.get("source") if each.facts else None
        if began:
            notes.append(
                f"{key}: it began with the weights of {began}; what was spent on those is not in its tokens, "
                "FLOPs and time"
            )
        if each.compared.whole and each.compared.checkpoint is None:
            notes.append(f"{key}: the run has no checkpoint, so it has no scores and continues no prompts")
        if about["total_steps"] and about["kind"] == "run" and (about["step"] or 0) < about["total_steps"]:
            notes.append(
                f"{key}: {about['step'] or 0:,} of {about['total_steps']:,} steps are done, and a loss falls "
                "most as the learning rate ends"
            )
        notes += [f"{key}: {path} is no results file of this version" for path in each.strange]
    return notes
