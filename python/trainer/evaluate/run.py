"""``python -m trainer evaluate``: every measure on every checkpoint, one after the other."""

from __future__ import annotations

import sys
import time
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prepcore.arguments import UsageError, printable
from prepcore.report.table import show
from trainer.config.evaluating import EvaluateConfig
from trainer.evaluate.harness import SEEDS
from trainer.evaluate.measure import Measure
from trainer.evaluate.place import check_checkpoint, free_memory, resolve_device
from trainer.evaluate.results import NAME, Results
from trainer.evaluate.table import notes, table
from trainer.evaluate.wanted import check_all, measures_of

BOS = {"auto": None, "on": True, "off": False}


@dataclass(frozen=True)
class Work:
    """What is to be done.

    Attributes
    ----------
    measures
        In order.
    places
        The checkpoints with their results files.
    """

    measures: Sequence[Measure]
    places: Sequence[tuple[Path, Path]]


def check(config: EvaluateConfig) -> Work:
    """Find mistakes before the seconds that importing torch takes, and return what is to be done.

    Raises
    ------
    UsageError
        When a checkpoint is no model folder with a tokenizer, a measure cannot be made, or results cannot be
        written.
    """
    checkpoints = [Path(name) for name in config.checkpoint]
    for checkpoint in checkpoints:
        check_checkpoint(checkpoint)
    places = list(zip(checkpoints, result_files(checkpoints, config.out), strict=True))
    results = [Results.open(file, checkpoint) for checkpoint, file in places]
    measures = measures_of(config, checkpoints)
    check_all(measures)
    for there in results if not config.again else ():
        for measure in measures:
            there.check_kept(measure.name, measure.settings())
    return Work(measures, places)


def result_files(checkpoints: Sequence[Path], out: str | None) -> list[Path]:
    """Return where the results of each checkpoint lie.

    Raises
    ------
    UsageError
        When two of them would be one file.
    """
    if out is None:
        return [checkpoint / NAME for checkpoint in checkpoints]
    if out.endswith(".json"):
        if len(checkpoints) > 1:
            raise UsageError(
                f"--out {out} is one file for {len(checkpoints)} checkpoints",
                "give a folder, or leave it out",
            )
        return [Path(out)]
    names = [_file_name(checkpoint) for checkpoint in checkpoints]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UsageError(
            f"--out {out}: two of the checkpoints would be {twice[0]}", "give them to two commands"
        )
    return [Path(out) / name for name in names]


def evaluate(config: EvaluateConfig, work: Work) -> int:
    """Measure, keep what is finished, and print the results.

    A measure that fails is told of on standard error and leaves no result, and the others go on. After an
    interruption the same command continues with the measure that was under way.

    Returns
    -------
    int
        0, or 1 when a measure has failed.
    """
    failed = 0
    device, dtype = resolve_device(config.device, config.dtype)
    settings = {
        "dtype": dtype,
        "bos": config.bos,
        "device": device,
        "batch_size": config.batch_size,
        "seeds": SEEDS,
    }
    for checkpoint, file in work.places:
        failed += _evaluate_one(config, checkpoint, Results.open(file, checkpoint), work.measures, settings)
    return 1 if failed else 0


def _evaluate_one(
    config: EvaluateConfig,
    checkpoint: Path,
    results: Results,
    measures: Sequence[Measure],
    settings: Mapping[str, Any],
) -> int:
    """Measure one checkpoint and return how many measures have failed."""
    from trainer.evaluate.subject import Subject

    how = {name: settings[name] for name in ("dtype", "bos", "device")}
    wanted = {measure.name: {**measure.settings(), **how} for measure in measures}
    left = [m for m in measures if config.again or not results.has(m.name, wanted[m.name])]
    for measure in measures:
        if measure not in left:
            _line(f"{checkpoint}: {measure.name} is there already")
    failed: set[str] = set()
    if left:
        subject = Subject(
            checkpoint, settings["dtype"], settings["device"], BOS[config.bos], config.batch_size
        )
        try:
            parameters = sum(parameter.numel() for parameter in subject.model.parameters())
        except UsageError as error:
            _line(f"error: {error}")
            return len(left)
        results.begin(parameters=parameters, settings=settings)
        for number, measure in enumerate(left, 1):
            _line(f"{checkpoint}: {measure.name} ({number} of {len(left)})")
            start = time.perf_counter()
            try:
                outcome = measure.run(subject)
            except Exception as error:
                failed.add(measure.name)
                _complain(measure.name, error)
            else:
                results.keep(outcome.files)
                results.add(measure.name, outcome, wanted[measure.name], time.perf_counter() - start)
            free_memory()
    results.average([config.suite] if config.suite else [])
    shown = [name for name in wanted if name in results.results and name not in failed]
    if shown:
        told = [*notes(results.content, shown), f"results: {results.path}", ""]
        show([table(results.content, shown)], told)
    return len(failed)


def _complain(name: str, error: Exception) -> None:
    """Tell of a measure that failed; what is no mistake of the user's comes with where it arose."""
    if not isinstance(error, UsageError):
        traceback.print_exception(error, file=sys.stderr)
    text = str(error).strip() or type(error).__name__
    _line(f"{name} failed: {text}")


def _line(text: str) -> None:
    sys.stderr.write(printable(text) + "\n")
    sys.stderr.flush()


def _file_name(checkpoint: Path) -> str:
    """Name a results file by a checkpoint's folder, and by its run where it lies in one."""
    folder = checkpoint.resolve()
    if folder.parent.name == "checkpoints":
        return f"{folder.parent.parent.name}-{folder.name}.json"
    return f"{folder.name}.json"
