"""Reading what evaluations have left in their JSON files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prepcore.arguments import UsageError
from trainer.compare.subjects import Compared
from trainer.evaluate.results import NAME, read
from trainer.run_folder import all_checkpoints, step_of

BITS_PER_BYTE = "bits_per_byte"
"""The metric of a text that is the same for whatever tokens it was cut into."""

TOKENS = "tokens"
"""The setting that all other metrics of a text depend on."""

COMMON = ("dtype", "bos")
"""Settings of a whole evaluation that decide each of its results."""


@dataclass(frozen=True)
class Result:
    """What one measure has found.

    Attributes
    ----------
    step
        Of the checkpoint; None where nobody says.
    main
        The metric that stands for it.
    higher_is_better
        Of that metric.
    scores
        By metric: value and standard error, the latter None where none is known.
    settings
        What decides it: that of the measure, number type, beginning token, version of the task, documents; of
        a text, what it was cut into.
    """

    step: int | None
    main: str
    higher_is_better: bool
    scores: Mapping[str, tuple[float, float | None]]
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Evaluation:
    """One file: results by name, and means by the name of their suite."""

    path: Path
    step: int | None
    tokens: int | None
    results: Mapping[str, Result]
    means: Mapping[str, float]


def evaluations_of(compared: Compared) -> tuple[list[Evaluation], list[Path]]:
    """Read all that is there of a run or a checkpoint, by step, and list the files that are none of these.

    A checkpoint that stands for itself has its own, and those of its run up to its step.
    """
    found, others = [], []
    for path, step in _files(compared):
        evaluation = read_evaluation(path, step)
        if evaluation is None:
            others.append(path)
        elif (
            compared.whole
            or evaluation.step is None
            or compared.step is None
            or evaluation.step <= compared.step
        ):
            found.append(evaluation)
    return sorted(found, key=lambda each: -1 if each.step is None else each.step), others


def _files(compared: Compared) -> Iterator[tuple[Path, int | None]]:
    """List files with the step that their place says; of one step the checkpoint's own comes last."""
    folders: dict[Path, int | None] = {}
    if compared.run is not None:
        for path in sorted(compared.run.evaluations.glob("step-*.json")):
            step = path.stem.removeprefix("step-")
            yield path, int(step) if step.isdecimal() else None
        folders = {folder.resolve(): step_of(folder) for folder in all_checkpoints(compared.run.checkpoints)}
    if compared.checkpoint is not None:
        folders.setdefault(compared.checkpoint.resolve(), compared.step)
    for folder, at in folders.items():
        if (folder / NAME).is_file():
            yield folder / NAME, at


def read_evaluation(path: Path, step: int | None = None) -> Evaluation | None:
    """Read a file; None where it is not one of ours, or not of this version.

    Parameters
    ----------
    path
        The file.
    step
        What its place says; None leaves it to the file.
    """
    try:
        content = read(path)
        step = content.get("step") if step is None else step
        common = {name: content.get("settings", {}).get(name) for name in COMMON}
        return Evaluation(
            path,
            step,
            content.get("tokens"),
            {name: _result(found, common, step) for name, found in content["results"].items()},
            {
                name: float(mean["value"])
                for name, mean in content.get("means", {}).items()
                if mean.get("value") is not None
            },
        )
    except (UsageError, AttributeError, KeyError, TypeError, ValueError):
        return None


def _result(found: Mapping[str, Any], common: Mapping[str, Any], step: int | None) -> Result:
    scores = {
        metric: (float(score["value"]), None if score.get("stderr") is None else float(score["stderr"]))
        for metric, score in found["scores"].items()
        if score["value"] is not None
    }
    own = {"task version": found.get("version"), "documents scored": found.get("documents")}
    details = found.get("details", {})
    decided = ("shots",) if BITS_PER_BYTE not in scores else ("context", "stride", "bytes", TOKENS)
    own |= {name: details[name] for name in decided if name in details}
    return Result(
        step,
        found["main"],
        bool(found.get("higher_is_better", True)),
        scores,
        {**common, **found.get("settings", {}), **own},
    )
