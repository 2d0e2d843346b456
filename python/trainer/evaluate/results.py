"""The results file of a checkpoint: outcomes by name, written whole after each of them.

``evaluation.json`` has ``format`` and ``version``, what was scored (``checkpoint``, ``parameters``, ``step``,
``tokens``), how in the last run (``settings``, ``versions``), the ``results`` by name, and the ``means``.
"""

from __future__ import annotations

import json
import math
import os
import platform
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from prepcore.arguments import UsageError
from prepcore.formats.disk import flush
from prepcore.report.shell import write_whole
from trainer import __version__
from trainer.callbacks.lines import read as read_lines
from trainer.evaluate.measure import Outcome
from trainer.evaluate.suites import SUITES
from trainer.run_folder import RunFolder, step_of

FORMAT = "trainer.evaluation"
FORMAT_VERSION = 1
NAME = "evaluation.json"
"""What the file is called inside a checkpoint."""

LIBRARIES = ("torch", "transformers", "tokenizers", "lm_eval")


@dataclass
class Results:
    """The results of one checkpoint, in memory and in their file.

    Attributes
    ----------
    path
        The file; it need not be there yet.
    content
        What is in it.
    """

    path: Path
    content: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path, checkpoint: Path) -> Results:
        """Read what there is of a checkpoint.

        Raises
        ------
        UsageError
            When the file is none of ours, is of another checkpoint, or its folder cannot be written.
        """
        content = read(path) if path.exists() else {}
        known = content.get("checkpoint")
        # Inside the checkpoint the file moves along with it.
        if known and path.parent.resolve() != checkpoint.resolve() and known != _named(checkpoint):
            raise UsageError(
                f"{path} has the results of {known}, and this is {_named(checkpoint)}",
                "give another --out",
            )
        _check_writable(path)
        step, tokens = origin(checkpoint)
        content = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "checkpoint": _named(checkpoint),
            "parameters": content.get("parameters"),
            "step": content.get("step") if step is None else step,
            "tokens": content.get("tokens") if tokens is None else tokens,
            "settings": content.get("settings", {}),
            "versions": content.get("versions", {}),
            "results": content.get("results", {}),
            "means": content.get("means", {}),
        }
        return cls(path, content)

    @property
    def results(self) -> dict[str, Any]:
        """The outcomes by name."""
        found: dict[str, Any] = self.content["results"]
        return found

    def has(self, name: str, settings: Mapping[str, Any]) -> bool:
        """Say whether there is an outcome of the same settings."""
        return name in self.results and bool(self.results[name]["settings"] == _as_json(settings))

    def check_kept(self, name: str, settings: Mapping[str, Any]) -> None:
        """Refuse to put an outcome of fewer documents in the place of one of more.

        Raises
        ------
        UsageError
            Naming the file and both limits.
        """
        if name not in self.results:
            return
        before, now = self.results[name]["settings"].get("limit"), settings.get("limit")
        if now is not None and (before is None or before > now):
            had = "all documents" if before is None else f"{before:,} documents"
            raise UsageError(
                f"{self.path} has {name} of {had}, which one of {now:,} would replace",
                "--again replaces it, --out FILE keeps both",
            )

    def begin(self, *, parameters: int, settings: Mapping[str, Any]) -> None:
        """Note what was opened, and how."""
        self.content["parameters"] = parameters
        self.content["settings"] = _as_json(settings)
        self.content["versions"] = {
            "trainer": __version__,
            "python": platform.python_version(),
            **{name: found for name in LIBRARIES if (found := _version(name))},
        }

    def add(self, name: str, outcome: Outcome, settings: Mapping[str, Any], seconds: float) -> None:
        """Add an outcome, or replace the one of that name, and write the file."""
        self.results[name] = {
            "main": outcome.main,
            "higher_is_better": outcome.higher_is_better,
            "scores": {
                metric: {"value": score.value, "stderr": score.stderr}
                for metric, score in outcome.scores.items()
            },
            "documents": outcome.documents,
            "version": outcome.version,
            "details": _as_json(outcome.details),
            "settings": _as_json(settings),
            "seconds": round(seconds, 3),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        self.write()

    def keep(self, files: Mapping[str, str]) -> None:
        """Write what an outcome has for people to look at beside the results, each whole."""
        for end, text in files.items():
            write_whole(text, self.path.with_name(f"{self.path.stem}.{end}"))

    def average(self, suites: Iterable[str]) -> None:
        """Work out the means of these suites and of those that were asked for before; write the file."""
        if not self.results:
            return
        known = {*suites, *self.content["means"]}
        self.content["means"] = {
            name: suite.mean(self.results) for name, suite in SUITES.items() if name in known
        }
        self.write()

    def write(self) -> None:
        """Write the file, whole or not at all."""
        partial = self.path.with_name(f".{self.path.name}.{os.getpid()}.partial")
        try:
            text = json.dumps(_as_json(self.content), indent=2, ensure_ascii=False) + "\n"
            partial.write_text(text, encoding="utf-8")
            flush(partial)
            partial.replace(self.path)
        finally:
            partial.unlink(missing_ok=True)


def read(path: Path) -> dict[str, Any]:
    """Read a results file.

    Raises
    ------
    UsageError
        When it cannot be read, or is none of ours.
    """
    hint = "move it away, or give another --out"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read as a results file: {error}", hint) from error
    stated = content.get("format") if isinstance(content, dict) else None
    if stated != FORMAT:
        raise UsageError(f"{path} is no results file: its format is {stated!r}, wanted {FORMAT!r}", hint)
    if content.get("version") != FORMAT_VERSION:
        raise UsageError(
            f"{path} has version {content.get('version')!r}, this program reads {FORMAT_VERSION}", hint
        )
    return dict(content)


def origin(checkpoint: Path) -> tuple[int | None, int | None]:
    """Return step and tokens seen of a checkpoint that lies in its run; None where that is not known."""
    folder = checkpoint.resolve()
    run = RunFolder(folder.parent.parent)
    if folder.parent.name != run.checkpoints.name or not run.metrics.is_file():
        return None, None
    try:
        step = step_of(folder)
    except ValueError:
        return None, None
    seen = [int(line["tokens"]) for line in read_lines(run.metrics) if int(line["step"]) == step
            and line.get("tokens")]  # fmt: skip
    return step, seen[-1] if seen else None


def _named(checkpoint: Path) -> str:
    """Name a checkpoint by its last parts: ``demo/checkpoints/step-00000100``, or the folder alone."""
    folder = checkpoint.resolve()
    parts = folder.parts[-3:] if folder.parent.name == "checkpoints" else folder.parts[-1:]
    return "/".join(parts)


def _check_writable(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise UsageError(
            f"results cannot be written to {path}: {error.strerror or error}", "give another place with --out"
        ) from error


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _as_json(value: Any) -> Any:
    """Return a value as it reads back: tuples as lists, and what is no finite number as None."""
    if isinstance(value, Mapping):
        return {str(key): _as_json(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
