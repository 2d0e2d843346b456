"""The folder of a run: its configuration, its log, its checkpoints; paths and names, without torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prepcore.arguments import Parser, UsageError, options_of
from prepcore.arguments.configuration_file import write
from prepcore.mixture.recipe import Recipe
from trainer.config import FitConfig, presets

STATE_FILE = "training_state.pt"
"""What makes a Hugging Face folder a checkpoint that training can continue from."""

LAST = "last"
"""The link to the newest checkpoint."""

BEST = "best"
"""The link to the checkpoint with the lowest validation loss."""

# What a run is: another value would make the steps already done those of another run.
FIXED = (
    "model.",
    "data.sequence_length",
    "data.isolate_documents",
    "batch.",
    "optimizer.name",
    "optimizer.decay_embeddings",
    "seed",
)
# What says where things lie, not what is done.
PLACES = ("run", "resume")


@dataclass(frozen=True)
class RunFolder:
    """Paths of one run."""

    path: Path

    @property
    def configuration(self) -> Path:
        """The resolved configuration of the run, with what was changed when it was continued."""
        return self.path / "config.yaml"

    @property
    def initialization(self) -> Path:
        """What the first weights were made of (:mod:`trainer.initialize.facts`)."""
        return self.path / "initialization.json"

    @property
    def metrics(self) -> Path:
        """The log, a line an event."""
        return self.path / "metrics.csv"

    @property
    def sources(self) -> Path:
        """What was seen of each source of a mixture, a line a source."""
        return self.path / "sources.csv"

    @property
    def mixture(self) -> Path:
        """The recipe that the run has followed so far."""
        return self.path / "mixture.json"

    @property
    def samples(self) -> Path:
        """Continuations of the prompts over the run, a line a prompt and validation."""
        return self.path / "samples.csv"

    @property
    def evaluations(self) -> Path:
        """The folder of what evaluations found while the run trained, a file a checkpoint."""
        return self.path / "evaluations"

    @property
    def about(self) -> Path:
        """What the run is: sizes, lengths, device, versions."""
        return self.path / "run.json"

    @property
    def report(self) -> Path:
        """The page that shows the run."""
        return self.path / "report.html"

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.path / "checkpoints"

    @classmethod
    def begin(cls, config: FitConfig) -> RunFolder:
        """Make the folder of a new run and note its configuration.

        Raises
        ------
        UsageError
            When the folder has something in it.
        """
        run = cls(Path(config.run))
        run.check_new()
        run.path.mkdir(parents=True, exist_ok=True)
        run.note(config)
        return run

    @classmethod
    def again(cls, config: FitConfig, folder: str) -> tuple[RunFolder, Path, list[str]]:
        """Open the folder of a run to continue it; its configuration is not noted yet.

        Returns
        -------
        tuple
            The folder, its last checkpoint, and what differs from the run so far, a line each.

        Raises
        ------
        UsageError
            When there is nothing to continue, or an option contradicts what was done.
        """
        run = cls(Path(folder))
        changes = run.check_resumable(config)
        return run, all_checkpoints(run.checkpoints)[-1], changes

    def check_new(self) -> None:
        """Refuse to begin in a folder that has something in it."""
        check_empty(self.path, "run", f"continue it with --resume {self.path}, or choose another --run")

    def check_resumable(self, config: FitConfig) -> list[str]:
        """Return what ``config`` changes of this run, a line each; refuse what contradicts it."""
        if not self.configuration.is_file() or not all_checkpoints(self.checkpoints):
            raise UsageError(
                f"{self.path} has no checkpoint to continue from", "begin the run without --resume"
            )
        words = ["--config", str(self.configuration)]
        before = dict(_leaves(Parser(FitConfig, "fit", presets()).parse(words)))
        changes = [
            (key, before[key], value)
            for key, value in _leaves(config)
            if value != before[key] and key not in PLACES
        ]
        for key, old, new in changes:
            if key.startswith(FIXED):
                raise UsageError(
                    f"{key.replace('_', '-')} is {new}, but the run in {self.path} was begun with {old}",
                    "leave it out to continue, or begin another run",
                )
        return [f"{key.replace('_', '-')}: {old} → {new}" for key, old, new in changes]

    def note(self, config: FitConfig) -> None:
        """Write down the configuration the run has from now on, whole or not at all."""
        options = list(options_of(FitConfig))
        values = dict(_leaves(dataclasses.replace(config, resume=None)))
        partial = self.path / ".config.yaml.partial"
        partial.write_text(write(options, values), encoding="utf-8")
        partial.replace(self.configuration)

    def note_mixture(self, recipe: Recipe) -> list[str]:
        """Write down the recipe that the run follows from now on; return what it changes, a line each.

        Raises
        ------
        UsageError
            When its rows have another length than those the run has done.
        """
        changes: list[str] = []
        if self.mixture.exists():
            before = Recipe.read(self.mixture)
            if before.sequence_length != recipe.sequence_length:
                raise UsageError(
                    f"the recipe {recipe.path} is for rows of {recipe.sequence_length:,} tokens, but the run "
                    f"in {self.path} was begun with {before.sequence_length:,}",
                    f"write it with `prepcore mix … --sequence-length {before.sequence_length}`",
                )
            changes = recipe.differences(before)
        dataclasses.replace(recipe, path=self.mixture).write("trainer")
        return changes


def check_model_folder(folder: Path) -> None:
    """Refuse a folder that holds no model.

    Raises
    ------
    UsageError
        When it has no ``config.json``.
    """
    if not (folder / "config.json").is_file():
        raise UsageError(
            f"{folder} is not a model folder: it has no config.json",
            "a run has one at runs/NAME/checkpoints/last",
        )


def check_empty(path: Path, name: str, hint: str) -> None:
    """Refuse a folder that has something in it.

    Raises
    ------
    UsageError
        Naming the option that chose the folder.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UsageError(f"--{name} {path} is not empty", hint)


def folder_of_step(checkpoints: Path, step: int) -> Path:
    """Return the folder of the checkpoint of a step."""
    return checkpoints / f"step-{step:08d}"


def step_of(folder: Path) -> int:
    """Return the step that a checkpoint folder's name states."""
    return int(folder.name.removeprefix("step-"))


def all_checkpoints(checkpoints: Path) -> list[Path]:
    """List the whole checkpoints of a run, oldest first."""
    return sorted(folder for folder in checkpoints.glob("step-*") if (folder / STATE_FILE).is_file())


def point(folder: Path, name: str = LAST) -> None:
    """Make a link beside a checkpoint, ``last`` as a rule, point to it."""
    link = folder.with_name(name)
    fresh = folder.with_name(f".{name}.partial")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(folder.name)
    fresh.replace(link)


def values_of(config: Any) -> dict[str, Any]:
    """Return the values of a configuration by dotted keys, as Python writes them."""
    return dict(_leaves(config))


def _leaves(config: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """List dotted keys and values of a configuration."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from _leaves(value, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name, value
