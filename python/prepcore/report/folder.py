"""A cleaned folder opened for reading: its manifest, its settings, and the files that it was made from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from prepcore import engine
from prepcore.arguments import UsageError
from prepcore.arguments.errors import nearest

FORMAT = "prepcore.cleaned"
"""The ``format`` of the manifests that are read here."""

_NOT_RULES = ("dedup", "against", "where", "limit")
"""Settings by which no single text is judged; some stand in a manifest in a form of their own."""

_WITHOUT_FILES: dict[str, Any] = {
    "profile": "basic",
    "language": [],
    "language_model": None,
    "keep_scores": False,
    **dict.fromkeys(("classifier", "label", "min_score", "max_score")),
}
"""Settings under which no rule reads a file, for where such a file is gone."""

DEFAULT_MEMORY = "1GiB"
"""The memory budget, which bounds a document, where ``run.json`` does not say it."""


class Examiner(NamedTuple):
    """Settings by which texts are measured."""

    settings: str
    """As the engine reads them."""

    missing: str | None
    """Why the rules that read a file are not among them; None where they are."""


@dataclass(frozen=True)
class CleanedFolder:
    """What `prepcore clean` has written.

    Attributes
    ----------
    path
        The folder.
    manifest
        ``manifest.json``.
    run
        ``run.json``; empty where it is gone.
    input_root
        Where the files of the input lie now, instead of where ``run.json`` says.
    """

    path: Path
    manifest: Mapping[str, Any]
    run: Mapping[str, Any]
    input_root: str | None = None

    @classmethod
    def open(cls, path: str, input_root: str | None = None) -> CleanedFolder:
        """Read a folder's manifest.

        Raises
        ------
        UsageError
            When there is no finished run of `prepcore clean` in the folder.
        """
        folder = Path(path)
        try:
            manifest = json.loads((folder / "manifest.json").read_bytes())
        except FileNotFoundError as error:
            if (folder / ".unfinished").is_dir():
                raise UsageError(
                    f"{path}: holds a run of prepcore clean that is not finished",
                    "give the same command again: it goes on where it was",
                ) from error
            what = "has no manifest.json" if folder.is_dir() else "no such folder"
            raise UsageError(f"{path}: {what}", "name a folder that prepcore clean has written") from error
        except (OSError, ValueError) as error:
            raise UsageError(f"{path}/manifest.json: cannot be read: {error}") from error
        if isinstance(manifest, dict) and manifest.get("cleaning"):
            # A token folder that was made in one pass holds what is known of the cleaning.
            return cls.open(str((folder / manifest["cleaning"]).parent), input_root)
        if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
            raise UsageError(
                f"{path}: its manifest is not one of prepcore clean", "a report is made of a cleaned folder"
            )
        try:
            run = json.loads((folder / "run.json").read_bytes())
        except (OSError, ValueError):
            run = {}
        return cls(folder, manifest, run, input_root)

    @property
    def counts(self) -> Mapping[str, Any]:
        """What became of all rows."""
        counts: Mapping[str, Any] = self.manifest["counts"]
        return counts

    @property
    def checks(self) -> list[dict[str, Any]]:
        """What each document had to pass, in order: ``rule``, ``reason``; where something is measured,
        ``wanted`` and ``threshold``.
        """  # noqa: D205 - one sentence
        checks: list[dict[str, Any]] = self.manifest.get("checks", [])
        return checks

    @cached_property
    def examiner(self) -> Examiner:
        """The folder's rules, ready to measure any text."""
        known = json.loads(engine.core().default_configuration("clean"))
        stated = self.manifest["configuration"]
        settings = {name: stated[name] for name in known if name in stated and name not in _NOT_RULES}
        for option, path in self.run.get("rule_files", {}).items():
            *groups, last = option.split(".")
            group = settings
            for name in groups:
                group = group[name]
            group[last] = path
        try:
            engine.core().checks(json.dumps(settings))
        except engine.core().PrepcoreError as error:
            without = {**settings, **_WITHOUT_FILES}
            without["rules"] = {**settings["rules"], "words": "off"}
            return Examiner(json.dumps(without), str(error).partition("\n")[0])
        return Examiner(json.dumps(settings), None)

    def examine(self, texts: list[str]) -> list[dict[str, Any]]:
        """Rewrite and measure texts by the folder's settings.

        Returns
        -------
        list
            For each text ``rewritten`` (how often by kind), ``text`` (None where it stayed as it was) and
            ``checks``, each with ``value``, ``detail`` and whether it ``passes``.
        """
        examined: list[dict[str, Any]] = json.loads(engine.core().examine(self.examiner.settings, texts))
        return examined

    def ledger(self, **reading: Any) -> dict[str, Any]:
        """Read some of the dropped documents; `reading` is the engine's ``inspect::Reading``."""
        ledger: dict[str, Any] = json.loads(engine.core().ledger(str(self.path), json.dumps(reading)))
        return ledger

    def fate(self, source: int, row: int) -> dict[str, Any]:
        """Look up what became of one document; ``fate`` is kept, dropped, unreadable or unknown."""
        fate: dict[str, Any] = json.loads(engine.core().fate(str(self.path), source, row))
        return fate

    def kept(self, count: int, seed: int) -> list[dict[str, Any]]:
        """Draw up to `count` kept documents: ``source``, ``row``, ``text``.

        Where they were packed and not written, the text is that of the input, rewritten as it was then.
        """
        kept: list[dict[str, Any]] = json.loads(engine.core().kept(str(self.path), count, seed))
        packed = [entry for entry in kept if entry["text"] is None]
        for source in sorted({entry["source"] for entry in packed}):
            of_file = [entry for entry in packed if entry["source"] == source]
            rows = self.rows(source, [entry["row"] for entry in of_file])
            texts = [rows[entry["row"]].get("text", "") for entry in of_file]
            for entry, text, examined in zip(of_file, texts, self.examine(texts), strict=True):
                entry["text"] = text if examined["text"] is None else examined["text"]
        return kept

    def dropped_texts(self, addresses: list[tuple[int, int]]) -> dict[tuple[int, int], str]:
        """Read texts of dropped documents that the folder holds itself, by file number and row.

        There are none without ``--keep-dropped``. They are as they were judged: after the rules that rewrite.
        """
        texts = json.loads(engine.core().dropped_texts(str(self.path), addresses))
        return {(source, row): text for (source, row), text in texts}

    def name(self, source: int) -> str:
        """Return the name of a file of the input, as the manifest has it."""
        name: str = self.manifest["inputs"][source]["path"]
        return name

    def source(self, file: str) -> int:
        """Return the number of a file of the input, named as in the manifest, or by its path.

        Raises
        ------
        UsageError
            When no file has this name, or several have.
        """
        names = [entry["path"] for entry in self.manifest["inputs"]]
        if file in names:
            return names.index(file)
        path = Path(file)
        found = [
            number
            for number, name in enumerate(names)
            if path.parts[-len(Path(name).parts) :] == Path(name).parts
        ]
        found = found or [
            number for number, name in enumerate(names) if Path(name).parts[-len(path.parts) :] == path.parts
        ]
        if len(found) == 1:
            return found[0]
        if found:
            several = ", ".join(names[number] for number in found[:5])
            raise UsageError(f"--file: {file!r} may be any of {several}", "give the name as it stands there")
        guess = nearest(file, names)
        hint = (
            f"did you mean {guess}?"
            if guess
            else f"manifest.json names the {len(names):,} files of the input"
        )
        raise UsageError(f"--file: the input had no file {file!r}", hint)

    def path_of(self, source: int) -> Path:
        """Return where a file of the input lies.

        Raises
        ------
        UsageError
            When nothing says where.
        """
        if self.input_root is not None:
            return Path(self.input_root) / self.name(source)
        for entry in self.run.get("input_folders", []):
            first, end = entry["sources"]
            if first <= source < end and entry["folder"] is not None:
                return Path(entry["folder"]) / self.name(source)
        raise UsageError(
            f"{self.path}/run.json does not say where {self.name(source)} lies",
            "--input-root DIR names the folder under which the files of the input are now",
        )

    def rows(
        self, source: int, rows: Iterable[int], most_bytes: int | None = None
    ) -> dict[int, dict[str, Any]]:
        """Read rows of a file of the input back, in one pass that ends behind the last of them.

        Parameters
        ----------
        source
            The file's number.
        rows
            Parquet rows, or lines from 0; 0 for a file of text.
        most_bytes
            Bytes (decompressed) after which reading stops.

        Returns
        -------
        dict
            By row, ``found``: ``text``, ``unreadable``, ``blank``, ``beyond`` or ``not_read``.

        Raises
        ------
        InputError
            When the file is gone, or is not the one that was cleaned.
        """
        entry = self.manifest["inputs"][source]
        file = {
            "path": str(self.path_of(source)),
            "kind": entry["kind"],
            "size": entry["size"],
            "fingerprint": entry["fingerprint"],
            "text_column": self.manifest["configuration"]["text_column"],
            "memory": self.run.get("memory", DEFAULT_MEMORY),
            "most_bytes": most_bytes,
        }
        found = json.loads(engine.core().documents(json.dumps(file), sorted(set(rows))))
        return dict(found)
