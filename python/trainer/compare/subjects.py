"""What is compared: folders as they were named, recognised and given names that tell them apart."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_uppercase

from prepcore.arguments import UsageError
from trainer.initialize.source import DESCRIPTION
from trainer.run_folder import LAST, RunFolder, all_checkpoints, step_of

CHECKPOINTS = "checkpoints"
"""The folder of a run that its checkpoints lie in."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One of what is compared.

    Attributes
    ----------
    key
        The letter that stands for it in tables.
    name
        The name given, or the end of its path that no other has.
    path
        The folder, as it was named.
    run
        The run it is, or lies in; None for any other model folder.
    checkpoint
        The model folder that stands for it; None for a run that has saved nothing.
    step
        Step of that checkpoint; None where its folder does not say.
    whole
        Whether it is a run, with all that its log has, and not a run up to one of its checkpoints.
    """

    key: str
    name: str
    path: Path
    run: RunFolder | None
    checkpoint: Path | None
    step: int | None
    whole: bool


def open_compared(words: Sequence[str], which: str = LAST) -> list[Compared]:
    """Recognise the folders that a command line names.

    Parameters
    ----------
    words
        ``PATH`` or ``NAME=PATH``.
    which
        The link to the checkpoint that stands for a run: ``last`` or ``best``. A run without that one is
        stood for by its newest.

    Raises
    ------
    UsageError
        When a folder is neither run nor model, or is named twice; when two names are the same.
    """
    given = [_split(word) for word in words]
    names = [
        name or label for (name, _), label in zip(given, _labels([path for _, path in given]), strict=True)
    ]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"two of what is compared are called {name}", "give one another NAME=PATH")
    return [
        _recognise(key_of(place), name, path, which)
        for place, (name, (_, path)) in enumerate(zip(names, given, strict=True))
    ]


def key_of(place: int) -> str:
    """Return the letter of the first, second, … of what is compared; after Z comes AA.

    Examples
    --------
    >>> key_of(0), key_of(25), key_of(26)
    ('A', 'Z', 'AA')
    """
    letters = ""
    place += 1
    while place:
        place, letter = divmod(place - 1, len(ascii_uppercase))
        letters = ascii_uppercase[letter] + letters
    return letters


def _split(word: str) -> tuple[str, Path]:
    """Split ``NAME=PATH``; a path that is there may have an equals sign itself."""
    name, equals, path = word.partition("=")
    if not equals or not name or Path(word).exists():
        return "", Path(word)
    return name, Path(path)


def _labels(paths: Sequence[Path]) -> list[str]:
    """Name folders by the shortest ends of their paths that tell them apart.

    A checkpoint is named with its run, and without the folder ``checkpoints`` between them.
    """
    whole = [Path(os.path.abspath(path)) for path in paths]  # noqa: PTH100 - links stay as they were named
    for path in whole:
        if whole.count(path) > 1:
            raise UsageError(f"{path} is named twice", "leave one out")
    parts = [
        [part for part, after in zip(path.parts, [*path.parts[1:], ""], strict=True)
         if part != CHECKPOINTS or after == ""]
        for path in whole
    ]  # fmt: skip
    labels = []
    for place, own in enumerate(parts):
        others = parts[:place] + parts[place + 1 :]
        least = 2 if whole[place].parent.name == CHECKPOINTS else 1
        lengths = range(least, len(own) + 1)
        length = next((n for n in lengths if all(own[-n:] != other[-n:] for other in others)), None)
        labels.append(str(whole[place]) if length is None else str(Path(*own[-length:])))
    return labels


def _recognise(key: str, name: str, path: Path, which: str) -> Compared:
    if not path.is_dir():
        what = "is no folder" if path.exists() else "is not there"
        raise UsageError(f"{path} {what}", "a run is runs/NAME, a checkpoint runs/NAME/checkpoints/last")
    if (path / DESCRIPTION).is_file():
        folder = path.resolve()
        run = RunFolder(folder.parent.parent)
        inside = folder.parent.name == CHECKPOINTS and is_run(run)
        step = _step(folder) if inside else None
        return Compared(
            key=key,
            name=name,
            path=path,
            run=run if inside else None,
            checkpoint=path,
            step=step,
            whole=False,
        )
    run = RunFolder(path)
    if is_run(run):
        checkpoint = _checkpoint(run, which)
        return Compared(
            key=key, name=name, path=path, run=run, checkpoint=checkpoint,
            step=_step(checkpoint) if checkpoint else None, whole=True,
        )  # fmt: skip
    raise UsageError(
        f"{path} is neither a run (config.yaml, metrics.csv) nor a model folder ({DESCRIPTION})", _hint(path)
    )


def is_run(run: RunFolder) -> bool:
    """Say whether a folder has what a run writes first, or its log."""
    return any(file.is_file() for file in (run.configuration, run.metrics, run.about))


def _checkpoint(run: RunFolder, which: str) -> Path | None:
    for link in (run.checkpoints / which, run.checkpoints / LAST):
        if (link / DESCRIPTION).is_file():
            return link.resolve()
    there = all_checkpoints(run.checkpoints)
    return there[-1] if there else None


def _step(checkpoint: Path) -> int | None:
    try:
        return step_of(checkpoint.resolve())
    except ValueError:
        return None


def _hint(path: Path) -> str:
    """Say what to name instead, where that can be seen."""
    inside = sorted(
        folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith(".")
    )
    runs = [folder for folder in inside if is_run(RunFolder(folder)) or (folder / DESCRIPTION).is_file()]
    if runs:
        return f"name what is in it: {' '.join(map(str, runs[:3]))}{' …' if len(runs) > 3 else ''}"
    return "a run is runs/NAME, a checkpoint runs/NAME/checkpoints/last"
