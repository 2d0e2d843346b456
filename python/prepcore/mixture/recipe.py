"""The recipe of a mixture: a small JSON file that names token folders and how much of each is wanted."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from prepcore.arguments import UsageError
from prepcore.mixture.folder import SourceFolder
from prepcore.mixture.interleaving import Interleaving

FORMAT = "prepcore.mixture"
FORMAT_VERSION = 1

MANY_EPOCHS = 4
"""Up to about so many epochs, repeated tokens are worth nearly as much as new ones, and beyond they lose
their worth quickly (Muennighoff et al., 2023, "Scaling Data-Constrained Language Models")."""


@dataclass(frozen=True)
class Source:
    """One token folder of a mixture.

    Attributes
    ----------
    name
        What it is called in tables and logs.
    path
        The folder.
    weight
        Its rows among every `Recipe.lap` rows.
    rows
        Rows wanted of it, whole epochs and the beginning of one more.
    available_rows
        Rows it has.
    fingerprint
        `SourceFolder.fingerprint` when the recipe was written.
    """

    name: str
    path: Path
    weight: int
    rows: int
    available_rows: int
    fingerprint: str

    @property
    def epochs(self) -> float:
        """How often each of its rows comes, on average."""
        return self.rows / self.available_rows

    @property
    def warning(self) -> str | None:
        """What is to be said where rows come more than once, or none comes."""
        if not self.rows:
            return (
                f"{self.name} gets no row: its share is less than one; give it more weight, or leave it out"
            )
        if self.epochs <= 1:
            return None
        text = f"{self.name} repeats: {self.rows:,} rows are wanted and {self.available_rows:,} are there, "
        text += f"{self.epochs:.2f} epochs"
        if self.epochs <= MANY_EPOCHS:
            return text
        return (
            f"{text}, more than {MANY_EPOCHS}: what comes so often teaches little more and is learned by "
            "heart (Muennighoff et al. 2023); give it less weight, or find more text"
        )


@dataclass(frozen=True)
class Recipe:
    """A mixture of token folders.

    Attributes
    ----------
    path
        The file.
    sequence_length
        Tokens in a row.
    rows
        Rows of all sources together.
    sources
        In the order of the file.
    """

    path: Path
    sequence_length: int
    rows: int
    sources: tuple[Source, ...]

    @property
    def lap(self) -> int:
        """Sum of the weights."""
        return sum(source.weight for source in self.sources)

    @property
    def weights(self) -> list[int]:
        """The weight of each source."""
        return [source.weight for source in self.sources]

    @property
    def warnings(self) -> list[str]:
        """What is to be said of sources that repeat, or get no row."""
        return [source.warning for source in self.sources if source.warning]

    def of_rows(self, rows: int) -> Recipe:
        """Return the recipe of the same mixture for another number of rows."""
        if rows == self.rows:
            return self
        counts = Interleaving(self.weights).counts(rows)
        sources = (replace(source, rows=count) for source, count in zip(self.sources, counts, strict=True))
        return replace(self, rows=rows, sources=tuple(sources))

    def differences(self, before: Recipe) -> list[str]:
        """Say what an earlier recipe had otherwise, a line each; how long they are is no difference."""
        lines = []
        old, new = ({source.name: source for source in recipe.sources} for recipe in (before, self))
        for name in [*old, *(name for name in new if name not in old)]:
            if name not in new:
                lines.append(f"{name}: in the mixture → not in it")
            elif name not in old:
                lines.append(f"{name}: not in the mixture → in it")
            else:
                weights = (old[name].weight, new[name].weight)
                if weights[0] * self.lap != weights[1] * before.lap:
                    lines.append(f"{name}: share {weights[0] / before.lap:.4g} → {weights[1] / self.lap:.4g}")
                if old[name].fingerprint != new[name].fingerprint:
                    lines.append(f"{name}: other rows in {new[name].path}")
        if not lines and [*old] != [*new]:
            lines.append(f"order of the sources: {', '.join(old)} → {', '.join(new)}")
        return lines

    def document(self, program: str) -> dict[str, Any]:
        """Return the recipe as the file has it.

        Parameters
        ----------
        program
            Name and version of the program that writes it.
        """
        length, folder = self.sequence_length, self.path.parent
        return {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "program": program,
            "sequence_length": length,
            "rows": self.rows,
            "tokens": self.rows * length,
            "sources": [
                {
                    "name": source.name,
                    "path": _relative(source.path, folder),
                    "weight": source.weight,
                    "share": source.weight / self.lap,
                    "rows": source.rows,
                    "tokens": source.rows * length,
                    "available_rows": source.available_rows,
                    "available_tokens": source.available_rows * length,
                    "epochs": source.epochs,
                    "fingerprint": source.fingerprint,
                }
                for source in self.sources
            ],
            "warnings": self.warnings,
        }

    def write(self, program: str) -> dict[str, Any]:
        """Write the file, whole or not at all, and return what it says.

        Raises
        ------
        UsageError
            When there is another file of this name, or the file cannot be written.
        """
        document = self.document(program)
        if self.path.exists() and not is_recipe(self.path):
            raise UsageError(
                f"{self.path} is there and is not the recipe of a mixture", "choose another name with --out"
            )
        partial = self.path.with_name(f".{self.path.name}.partial")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("w", encoding="utf-8") as file:
                file.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self.path)
        except OSError as error:
            raise UsageError(
                f"{self.path} cannot be written: {error}", "choose another place with --out"
            ) from error
        return document

    @classmethod
    def read(cls, path: Path) -> Recipe:
        """Read a recipe; paths in it count from its own folder.

        Raises
        ------
        UsageError
            When the file is no recipe of this version.
        """
        hint = "write it with `prepcore mix`"
        document = _load(path)
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise UsageError(
                f"{path} is not the recipe of a mixture, which states the format {FORMAT!r}", hint
            )
        if document.get("format_version") != FORMAT_VERSION:
            raise UsageError(
                f"{path} has format version {document.get('format_version')}, this program reads "
                f"{FORMAT_VERSION}",
                "write it again with the `prepcore mix` of this version",
            )
        try:
            names = [source["name"] for source in document["sources"]]
            if not names or len(set(names)) < len(names):
                raise ValueError(
                    f"'sources' (called {names}, wanted at least one, each with a name of its own)"
                )
            return cls(
                path=path,
                sequence_length=_positive(document, "sequence_length"),
                rows=_positive(document, "rows"),
                sources=tuple(
                    Source(
                        name=str(source["name"]),
                        path=path.parent / source["path"],
                        weight=_positive(source, "weight"),
                        rows=int(source["rows"]),
                        available_rows=_positive(source, "available_rows"),
                        fingerprint=str(source["fingerprint"]),
                    )
                    for source in document["sources"]
                ),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"{path} lacks or misstates {error}", hint) from error

    def check_unchanged(self) -> None:
        """Refuse to go on with folders that are not what they were when the recipe was written.

        Raises
        ------
        UsageError
            Naming the source and its folder.
        """
        for source in self.sources:
            folder = SourceFolder.open(source.path)
            length = self.sequence_length
            if (
                folder.fingerprint(length) != source.fingerprint
                or folder.rows(length) != source.available_rows
            ):
                raise UsageError(
                    f"{source.path}, the source {source.name!r} of {self.path}, has changed since the recipe "
                    "was written",
                    "write the recipe again with `prepcore mix`",
                )


def is_recipe(path: Path) -> bool:
    """Whether a file says that it is a recipe; nothing of it is checked."""
    try:
        with path.open("rb") as file:
            if file.read(1) != b"{":
                return False
        document = _load(path)
    except (OSError, UsageError):
        return False
    return isinstance(document, dict) and document.get("format") == FORMAT


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read as JSON: {error}", "write it with `prepcore mix`") from error


def _positive(stated: dict[str, Any], name: str) -> int:
    number = stated[name]
    if not isinstance(number, int) or number < 1:
        raise ValueError(f"{name!r} ({number!r}, wanted a whole number of at least 1)")
    return number


def _relative(path: Path, folder: Path) -> str:
    """Return a path as seen from the folder of the recipe; the whole path where there is no way."""
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # another drive
        return str(path.resolve())
