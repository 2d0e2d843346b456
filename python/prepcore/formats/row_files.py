"""Where lists of ids lie: Parquet, what ``prepcore pack --format parquet`` wrote, and saved `datasets`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from prepcore.arguments import UsageError
from prepcore.formats.lists import Lists, are_rows
from prepcore.formats.source import Source, check_largest
from prepcore.tokens.files import DTYPES
from prepcore.tokens.manifest import MANIFEST


@dataclass(frozen=True)
class RowFiles:
    """Files of lists, and what is known of them.

    Attributes
    ----------
    path
        The file or the folder.
    train, validation
        Files in order.
    manifest
        That of ``prepcore pack``, or None.
    """

    path: Path
    train: list[Path]
    validation: list[Path]
    manifest: dict[str, Any] | None

    @classmethod
    def find(cls, path: Path) -> RowFiles | None:
        """Look for Parquet at a path; None when there is a token folder, or nothing."""
        if path.is_file():
            return cls(path, [path], [], None)
        try:
            manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        except FileNotFoundError:
            train = sorted(path.glob("*.parquet")) or sorted((path / "train").glob("*.parquet"))
            return cls(path, train, sorted((path / "validation").glob("*.parquet")), None) if train else None
        except (OSError, ValueError):
            return None  # opening it as a token folder says what is wrong
        try:
            splits = [manifest, manifest["validation"] or {"files": []}]
            files = [[path / file["path"] for file in split["files"]] for split in splits]
        except (KeyError, TypeError):
            return None
        if not files[0] or files[0][0].suffix != ".parquet":
            return None
        return cls(path, files[0], files[1], manifest)

    @classmethod
    def find_saved(cls, path: Path) -> RowFiles | None:
        """Look for what ``save_to_disk`` of `datasets` wrote: a dataset, or a dictionary of splits."""
        splits = {"train": path}
        if (path / "dataset_dict.json").is_file():
            splits = {name: path / name for name in _read(path / "dataset_dict.json")["splits"]}
        elif not (path / "state.json").is_file():
            return None
        files = {
            name: [folder / entry["filename"] for entry in _read(folder / "state.json")["_data_files"]]
            for name, folder in splits.items()
        }
        held_out = files.get("validation", files.get("test", []))
        if "train" not in files:
            raise UsageError(
                f"{path} has the splits {', '.join(files)}, wanted one named train",
                "save that one split alone, or rename it",
            )
        return cls(path, files["train"], held_out, None)

    def identity(self) -> list[dict[str, Any]]:
        """Say which files these are: names, sizes and times of modification."""
        paths = [*self.train, *self.validation, *([self.path / MANIFEST] if self.manifest else [])]
        found = []
        for path in paths:
            try:
                state = path.stat()
            except FileNotFoundError:
                raise UsageError(
                    f"{path} is missing, though the manifest of its folder names it",
                    "copy the whole folder, or pack the documents again",
                ) from None
            name = path.name if path == self.path else path.relative_to(self.path).as_posix()
            found.append({"path": name, "bytes": state.st_size, "modified_ns": state.st_mtime_ns})
        return found

    def source(self, *, rows: bool | None = None) -> Source:
        """Make a source of the lists.

        Parameters
        ----------
        rows
            Whether each list is a row of the same length; else each is a document. By default rows where all
            have one length.
        """
        if rows is None:
            rows = self.manifest is not None or are_rows([*self.train, *self.validation])
        stated = self.manifest or {"dtype": "uint32", "tokenizer": None, "special": None}
        dtype = str(stated["dtype"])
        lists = Lists(
            self.path, int(np.iinfo(DTYPES[dtype]).max), stated.get("sequence_length"), documents=not rows
        )
        groups = {"train": self.train, "validation": self.validation}
        tokenizer = stated["tokenizer"]

        def text_bytes(split: str, tokens: int) -> int:
            if self.manifest is None:
                return 0
            held = stated if split == "train" else stated["validation"]
            # The text of the tokens left over, which are in no row, is taken out in proportion.
            return round(int(held["bytes"]) * tokens / max(1, int(held["tokens"])))

        def length() -> int | None:
            if tokenizer:
                whose = f"the manifest of {self.path}"
                check_largest(self.path, lists.largest.as_dict(), int(tokenizer["vocabulary_size"]), whose)
            return lists.length

        return Source(
            path=self.path,
            kind="rows without document borders" if rows else "documents as lists",
            splits={name: partial(lists.batches, files) for name, files in groups.items() if files},
            dtype=dtype,
            largest=lists.largest,
            tokenizer=self.path / tokenizer["path"] if tokenizer else None,
            special=stated["special"],
            sequence_length=length,
            text_bytes=text_bytes,
            files=self.identity(),
        )


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}", "save the dataset again") from error
    return found
