"""``prepcore classifier train``: a fastText classifier of two classes, from documents to a model file."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shlex
import tempfile
import threading
from pathlib import Path
from types import ModuleType
from typing import Any, Unpack

from prepcore import engine
from prepcore.arguments import UsageError
from prepcore.classifier.documents import FEWEST, Class, draw, split
from prepcore.classifier.scores import measures, threshold_for
from prepcore.classifier.settings import ClassifierTraining, TrainingSettings
from prepcore.runs import Inputs, PathLike, paths_of

FORMAT = "prepcore.classifier"

_LABEL = "__label__"

_END_OF_LINE = "</s>"
"""The word that fastText adds to every line."""


class TrainingFailedError(RuntimeError):
    """The fastText library gave up; the program exits with 1."""

    exit_code = 1


class FastTextMissingError(ImportError):
    """The fastText library is not there; the program exits with 2."""

    exit_code = 2


def train_classifier(
    good: Inputs,
    *,
    against: Inputs,
    out: PathLike,
    progress: Any = None,
    **settings: Unpack[TrainingSettings],
) -> dict[str, Any]:
    """Train a classifier that tells `good` documents from those of `against`.

    A document is one line to fastText, line feeds being spaces; a word that would be taken for a label is
    left out. With one thread the same documents and settings give the same bytes on the same machine.

    Parameters
    ----------
    good, against
        Files, folders and globs of the documents to keep and of those to drop.
    out
        Model to write, for ``prepcore clean --classifier``; ``out.json`` beside it says how it was made.
        Both are whole or absent.
    progress
        As in `prepcore.engine.run`.
    **settings
        Those of `prepcore.classifier.settings.ClassifierTraining`.

    Returns
    -------
    dict
        What ``out.json`` holds: settings, inputs and counts by class, measures of the documents held out
        (see `prepcore.classifier.scores.measures`), and the threshold that keeps ``keep_rate``.

    Raises
    ------
    UsageError
        When a class has too few documents, or `out` exists or cannot be written.
    FastTextMissingError
        When the fastText library is not installed.
    TrainingFailedError
        When the library gives up, such as over numbers that grow beyond measure.
    PrepcoreError
        When an input cannot be read.
    """
    chosen = ClassifierTraining(**settings)
    library = _library()
    target = Path(out)
    _check_target(target, chosen)
    good_inputs, bad_inputs = paths_of(good), paths_of(against)
    good_lines, good_facts = draw(good_inputs, chosen, progress)
    bad_lines, bad_facts = draw(bad_inputs, chosen, progress)
    pool_lines, pool_facts = draw(chosen.pool, chosen, progress) if chosen.pool else ([], None)
    if pool_facts and not pool_lines:
        raise UsageError(f"{' '.join(chosen.pool)}: no documents with text", "--pool needs some")
    classes = split(good_lines, bad_lines, chosen.held_out)
    for inputs, facts, half, option in zip(
        (good_inputs, bad_inputs), (good_facts, bad_facts), classes, ("GOOD", "--against"), strict=True
    ):
        half.facts = facts | half.facts
        _check_enough(inputs, half, option)

    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as name:
        model = _train(library, classes, chosen, Path(name) / "lines")
        scores = [_scores(model, half.held_out, chosen.labels[0]) for half in classes]
        pool = _scores(model, pool_lines, chosen.labels[0]) or [score for each in scores for score in each]
        threshold, kept = threshold_for(pool, chosen.keep_rate) if pool else (None, None)
        written = Path(name) / "model"
        model.save_model(str(written))
        manifest = {
            "format": FORMAT,
            "format_version": 1,
            "program": f"prepcore {engine.core().version()}",
            "library": _library_version(),
            "configuration": dataclasses.asdict(chosen),
            "classes": {label: half.facts for label, half in zip(chosen.labels, classes, strict=True)},
            "pool": pool_facts,
            "measures": measures(*scores),
            "threshold": threshold,
            "kept_by_threshold": kept,
            "model": {"path": target.name, "bytes": written.stat().st_size, "sha256": _digest(written)},
            "next": _next_command(chosen, bad_inputs, target, threshold),
        }
        description = Path(name) / "manifest"
        description.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        # A model without its description is whole; a description without its model would not be.
        for temporary, final in ((written, target), (description, description_of(target))):
            _flush(temporary)
            temporary.replace(final)
    return manifest


def description_of(target: Path) -> Path:
    """Return the path of the description of a model."""
    return target.with_name(target.name + ".json")


def _library() -> ModuleType:
    try:
        import fasttext
    except ImportError as error:
        raise FastTextMissingError(
            f"training a classifier needs the fastText library, which cannot be loaded ({error})\n"
            "hint: pip install 'fasttext-community>=0.11,<0.12'"
        ) from error
    module: ModuleType = fasttext
    return module


def _library_version() -> str:
    from importlib.metadata import version

    return f"fasttext-community {version('fasttext-community')}"


def _check_target(target: Path, settings: ClassifierTraining) -> None:
    """Refuse an output that cannot be written, before the work starts."""
    other, own = (".bin", ".ftz") if settings.quantize else (".ftz", ".bin")
    if target.suffix == other:
        how = "with" if settings.quantize else "without"
        raise UsageError(f"--out: got {str(target)!r}, expected a name in {own} {how} --quantize")
    if target.is_dir():
        raise UsageError(f"{target}: is a folder, expected the name of a file to write")
    if not target.parent.is_dir():
        raise UsageError(f"{target}: the folder {target.parent} does not exist", "create it first")
    for path in (target, description_of(target)):
        if path.exists() and not settings.overwrite:
            raise UsageError(f"{path}: exists already", "choose another name, or give --overwrite")
    if not os.access(target.parent, os.W_OK):
        raise UsageError(f"{target}: the folder {target.parent} cannot be written to")


def _check_enough(inputs: list[str], half: Class, option: str) -> None:
    facts = half.facts
    if len(half.training) >= FEWEST:
        return
    blank = f", {facts['blank']} of them blank or equal" if facts["blank"] else ""
    both = f", {facts['of_both_classes']} in both classes" if facts["of_both_classes"] else ""
    raise UsageError(
        f"{option}: {' '.join(inputs)} gives {len(half.training)} documents to learn from, expected at least "
        f"{FEWEST} ({facts['documents']} rows read, {facts['unreadable']} unreadable, {facts['drawn']} "
        f"drawn{blank}{both}, {facts['held_out']} held out)",
        "give more documents, or lower --held-out",
    )


def _train(
    library: ModuleType, classes: tuple[Class, Class], settings: ClassifierTraining, file: Path
) -> Any:
    """Write the lines of both classes with their labels, and train."""
    with file.open("w", encoding="utf-8", newline="\n") as lines:
        for label, half in zip(settings.labels, classes, strict=True):
            lines.writelines(f"{_LABEL}{label} {line}\n" for line in half.training)
    _flush(file)

    def work() -> Any:
        model = library.train_supervised(
            input=str(file),
            dim=settings.dim,
            epoch=settings.epochs,
            lr=settings.learning_rate,
            wordNgrams=settings.word_ngrams,
            bucket=settings.buckets,
            minCount=settings.min_count,
            seed=settings.seed,
            thread=settings.threads,
            verbose=0,
        )
        if settings.quantize:
            model.quantize(input=str(file))
        return model

    try:
        model = _stoppable(work)
    except RuntimeError as error:
        raise TrainingFailedError(
            f"the fastText library could not train: {error}\n"
            f"hint: where it met numbers too large, lower --learning-rate (now {settings.learning_rate})"
        ) from error
    if not set(model.words) - {_END_OF_LINE}:
        raise UsageError(f"--min-count: no word comes {settings.min_count:,} times", "lower --min-count")
    return model


def _stoppable(work: Any) -> Any:
    """Do work that hears of no signal in a thread, so that SIGINT and SIGTERM end the program at once."""
    outcome: list[Any] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.1)
    if failure:
        raise failure[0]
    return outcome[0]


def _scores(model: Any, lines: list[str], label: str) -> list[float]:
    """Return the score of a label for each line; 0 for one of which the model knows no word."""
    if not lines:
        return []
    labels, scores = model.predict(lines, k=-1)
    wanted = _LABEL + label
    return [
        float(dict(zip(names, numbers, strict=True)).get(wanted, 0.0))
        for names, numbers in zip(labels, scores, strict=True)
    ]


def _next_command(settings: ClassifierTraining, bad: list[str], target: Path, threshold: float | None) -> str:
    """Return the command line that applies the model, to the pool or to what it was trained against."""
    command = ["prepcore", "clean", *(settings.pool or bad), "--out", "cleaned"]
    if settings.text_column != "text":
        command += ["--text-column", settings.text_column]
    command += ["--classifier", str(target), "--label", settings.labels[0]]
    command += ["--min-score", str(0.5 if threshold is None else threshold)]
    return shlex.join(command)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
