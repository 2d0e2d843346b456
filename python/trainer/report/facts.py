"""What the page of a run shows, read from the files of the run alone."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from prepcore.arguments import options_of
from prepcore.arguments.configuration_file import leaves
from trainer.callbacks.lines import read
from trainer.config import FitConfig
from trainer.run_folder import LAST, RunFolder, all_checkpoints, step_of

Point = tuple[int, float]


@dataclass(frozen=True)
class Setting:
    """A setting of the run: its name, its value, and the default."""

    name: str
    value: Any
    default: Any


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that is there: its folder's name, step and size, and whether ``last`` points to it."""

    name: str
    step: int
    bytes: int
    last: bool


@dataclass(frozen=True)
class RunFacts:
    """A run as its files tell it.

    Attributes
    ----------
    path
        The folder.
    about
        ``run.json``; empty where it is gone.
    lines
        ``metrics.csv``.
    sources
        ``sources.csv``.
    samples
        ``samples.csv``.
    evaluations
        ``evaluations/``: step and results by name, oldest first.
    initialization
        ``initialization.json``; empty where the weights come from no source.
    settings
        The configuration.
    checkpoints
        Those that are there, oldest first.
    """

    path: Path
    about: Mapping[str, Any]
    lines: Sequence[Mapping[str, str]]
    sources: Sequence[Mapping[str, str]]
    samples: Sequence[Mapping[str, str]]
    evaluations: Sequence[tuple[int, Mapping[str, Any]]]
    initialization: Mapping[str, Any]
    settings: Sequence[Setting]
    checkpoints: Sequence[Checkpoint]

    @classmethod
    def gather(cls, run: RunFolder) -> RunFacts:
        """Read what there is; a file that is not there shows nothing."""
        return cls(
            path=run.path,
            about=read_json(run.about),
            lines=read(run.metrics),
            sources=read(run.sources),
            samples=read(run.samples),
            evaluations=_evaluations(run.evaluations),
            initialization=read_json(run.initialization),
            settings=_settings(run.configuration),
            checkpoints=_checkpoints(run.checkpoints),
        )

    def column(self, name: str) -> list[Point]:
        """Return a column of the log by step, without what is no number."""
        found = []
        for line in self.lines:
            value = float(line.get(name) or "nan")
            if math.isfinite(value):
                found.append((int(line["step"]), value))
        return found

    @property
    def step(self) -> int:
        """The last step that the log knows of."""
        return max((int(line["step"]) for line in self.lines), default=0)

    @property
    def tokens(self) -> int:
        """Tokens seen up to that step."""
        return max((int(line.get("tokens") or 0) for line in self.lines), default=0)

    @property
    def total_steps(self) -> int:
        """Steps the run is to have."""
        return int(self.about.get("total_steps", self.step))


def read_json(path: Path) -> dict[str, Any]:
    """Read an object; nothing where there is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _settings(path: Path) -> list[Setting]:
    options = {option.key: option for option in options_of(FitConfig)}
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return []
    if not isinstance(content, dict):
        return []
    found = []
    for name, value in leaves(content, options):
        option = options.get(name.replace("-", "_"))
        default = None if option is None or option.required else option.default
        found.append(Setting(name, value, list(default) if isinstance(default, tuple) else default))
    return found


def _evaluations(folder: Path) -> list[tuple[int, Mapping[str, Any]]]:
    contents = [read_json(path) for path in sorted(folder.glob("step-*.json"))]
    return [
        (content["step"], content["results"])
        for content in contents
        if isinstance(content.get("step"), int) and isinstance(content.get("results"), dict)
    ]


def _checkpoints(folder: Path) -> list[Checkpoint]:
    last = (folder / LAST).resolve().name
    return [
        Checkpoint(
            path.name,
            step_of(path),
            sum(file.stat().st_size for file in path.rglob("*") if file.is_file()),
            path.name == last,
        )
        for path in all_checkpoints(folder)
    ]
