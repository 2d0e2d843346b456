"""Reading a token folder: the files that ``prepcore pack`` writes.

A folder holds ``tokens-00000.ds`` … (little-endian ids), an ``.index`` beside each (where documents end,
cumulative within the file), the same for held-out documents under ``validation/``, the ``tokenizer/`` and
``manifest.json``. The files in the order of the manifest are one long sequence; a row is the next ``L``
tokens of it, whatever file borders lie inside, and a rest shorter than ``L`` is not read.

Everything is memory-mapped: opening a folder reads the manifest and the file sizes, nothing more.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prepcore.arguments import UsageError
from trainer.split import Split

FORMAT = "prepcore.tokens"
FORMAT_VERSION = 1
MANIFEST = "manifest.json"
DTYPES: dict[str, np.dtype[Any]] = {"uint16": np.dtype("<u2"), "uint32": np.dtype("<u4")}

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class TokenFile:
    """One file of tokens and the document ends beside it.

    Attributes
    ----------
    tokens
        Memory map of the ids, shape ``(tokens,)``.
    ends
        Memory map of the cumulative document ends, shape ``(documents,)``.
    """

    tokens: NDArray[Any]
    ends: NDArray[np.uint64]

    @classmethod
    def open(cls, path: Path, *, tokens: int, documents: int, dtype: np.dtype[Any]) -> TokenFile:
        """Map a file after checking that it has the size its manifest states."""
        return cls(
            tokens=_map(path, dtype, tokens),
            ends=_map(path.with_name(path.name + ".index"), np.dtype("<u8"), documents),
        )


class TokenSplit:
    """The training or the validation half of a folder: one sequence of tokens over several files.

    Parameters
    ----------
    files
        In the order of the manifest.
    text_bytes
        UTF-8 bytes of the text the tokens came from, for figures per byte.
    """

    def __init__(self, files: list[TokenFile], text_bytes: int) -> None:
        self.files = files
        self.text_bytes = text_bytes
        self.file_starts = np.cumsum([0] + [len(file.tokens) for file in files])

    @property
    def tokens(self) -> int:
        """Number of tokens, those of the rest included."""
        return int(self.file_starts[-1])

    @property
    def tokens_per_byte(self) -> float | None:
        """Tokens a byte of text; None when there is no text."""
        return self.tokens / self.text_bytes if self.text_bytes else None

    def rows(self, length: int) -> int:
        """Return how many rows of ``length`` tokens there are."""
        return self.tokens // length

    def read(self, rows: NDArray[np.int64], length: int) -> Ids:
        """Return the tokens of some rows, shape ``(len(rows), length)``."""
        ids = np.empty((len(rows), length), dtype=np.int64)
        for target, row in zip(ids, rows, strict=True):
            for file, begin, end, offset in self._pieces(int(row) * length, length):
                target[offset : offset + end - begin] = file.tokens[begin:end]
        return ids

    def positions(self, rows: NDArray[np.int64], length: int) -> Ids:
        """Return the place of each token within its document, shape ``(len(rows), length)``.

        A row that begins inside a document counts from zero there: what came before it is out of sight.
        """
        place = np.arange(length, dtype=np.int64)
        starts = np.zeros((len(rows), length), dtype=np.int64)
        for target, row in zip(starts, rows, strict=True):
            for file, begin, end, offset in self._pieces(int(row) * length, length):
                target[offset] = offset
                first, last = np.searchsorted(file.ends, [begin, end], side="right")
                borders = file.ends[first:last].astype(np.int64)
                borders = borders[borders < end] - begin + offset
                target[borders] = borders
        return place - np.maximum.accumulate(starts, axis=1)

    def _pieces(self, start: int, length: int) -> list[tuple[TokenFile, int, int, int]]:
        """Cut a range of the sequence at file borders: file, begin and end in it, offset in the range."""
        pieces = []
        index = int(np.searchsorted(self.file_starts, start, side="right")) - 1
        offset = 0
        while offset < length:
            file, begin = self.files[index], start + offset - int(self.file_starts[index])
            end = min(begin + length - offset, len(file.tokens))
            if end > begin:  # a file may be empty
                pieces.append((file, begin, end, offset))
            offset += end - begin
            index += 1
        return pieces


@dataclass(frozen=True)
class TokenFolder:
    """A token folder whose files are there and have their stated sizes.

    Attributes
    ----------
    train
        Tokens to train on.
    validation
        Tokens of documents held out, or None.
    sequence_length
        Row length the folder was packed for; any other cuts the same sequence differently.
    vocabulary_size
        Number of ids the tokenizer can give; where there is no tokenizer, the largest id plus one.
    bos, eos
        Ids that begin and end a document, or None.
    tokenizer
        Folder of tokenizer files; None for rows that came without one.
    largest
        Which row has the largest id (``id``, ``file``, ``row``); None where the writer vouched for all ids.
    borders
        Whether the ends of documents are known; rows that came from Parquet have none.
    """

    path: Path
    train: Split
    validation: Split | None
    sequence_length: int
    vocabulary_size: int
    bos: int | None
    eos: int | None
    tokenizer: Path | None
    largest: dict[str, Any] | None
    borders: bool

    @classmethod
    def open(cls, path: Path | str) -> TokenFolder:
        """Open a folder.

        Raises
        ------
        UsageError
            When it is missing, is not a token folder, or a file differs from its manifest.
        """
        path = Path(path)
        manifest = _read_manifest(path)
        try:
            dtype = DTYPES[manifest["dtype"]]
            held_out = manifest["validation"]
            special = manifest["special"]
            converted = manifest.get("converted")
            tokenizer = manifest["tokenizer"]
            largest: dict[str, Any] | None = converted["largest"] if converted else None
            vocabulary = (
                tokenizer["vocabulary_size"] if tokenizer else manifest["converted"]["largest"]["id"] + 1
            )
            return cls(
                path=path,
                train=_open_split(path, manifest, dtype),
                validation=_open_split(path, held_out, dtype) if held_out else None,
                sequence_length=int(manifest["sequence_length"]),
                vocabulary_size=int(vocabulary),
                bos=_special_id(special, "bos"),
                eos=_special_id(special, "eos"),
                tokenizer=path / tokenizer["path"] if tokenizer else None,
                largest=largest,
                borders=converted is None,
            )
        except (KeyError, TypeError) as error:
            raise UsageError(
                f"{path / MANIFEST} lacks or misstates {error}, which a token folder of version "
                f"{FORMAT_VERSION} has",
                hint="pack the documents again with `prepcore pack`",
            ) from error


def check_largest(path: Path, largest: dict[str, Any], size: int, whose: str) -> None:
    """Refuse data with ids beyond a vocabulary of ``size`` ids, which ``whose`` names.

    Raises
    ------
    UsageError
        Naming the row of the largest id.
    """
    if largest["id"] >= size:
        raise UsageError(
            f"{path}: row {largest['row']:,} of {largest['file']} has the id {largest['id']:,}, wanted less "
            f"than {size:,}, the ids of {whose}",
            hint="give the tokenizer that the rows were made with, and a vocabulary as large",
        )


def _read_manifest(path: Path) -> dict[str, Any]:
    manifest_path = path / MANIFEST
    pack_hint = "make a token folder with `prepcore pack … --tokenizer DIR --out DIR`"
    if not path.is_dir():
        raise UsageError(f"there is no folder {path} to read tokens from", hint=pack_hint)
    try:
        manifest = json.loads(manifest_path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{path} is not a token folder: it has no manifest.json", hint=pack_hint) from None
    except ValueError as error:
        raise UsageError(f"{manifest_path} is not JSON: {error}", hint=pack_hint) from error
    found = manifest.get("format") if isinstance(manifest, dict) else None
    if found != FORMAT:
        raise UsageError(f"{manifest_path} states the format {found!r}, wanted {FORMAT!r}", hint=pack_hint)
    if manifest.get("format_version") != FORMAT_VERSION:
        raise UsageError(
            f"{manifest_path} has format version {manifest.get('format_version')}, "
            f"this trainer reads {FORMAT_VERSION}",
            hint="pack the documents again with the `prepcore` of this version",
        )
    if manifest.get("packing", "concatenate") != "concatenate":
        raise UsageError(
            f"{path} was packed with {manifest['packing']!r}, this trainer reads 'concatenate'",
            hint="pack the documents again with `prepcore pack … --packing concatenate`",
        )
    return manifest


def _open_split(folder: Path, stated: dict[str, Any], dtype: np.dtype[Any]) -> TokenSplit:
    files = [
        TokenFile.open(
            folder / file["path"], tokens=int(file["tokens"]), documents=int(file["documents"]), dtype=dtype
        )
        for file in stated["files"]
    ]
    return TokenSplit(files, text_bytes=int(stated["bytes"]))


def _special_id(special: dict[str, Any], name: str) -> int | None:
    token = special[name]
    return None if token is None else int(token["id"])


def _map(path: Path, dtype: np.dtype[Any], count: int) -> NDArray[Any]:
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise UsageError(
            f"{path} is missing, though the manifest of its folder names it",
            hint="copy the whole folder, or pack the documents again",
        ) from None
    if size != count * dtype.itemsize:
        raise UsageError(
            f"{path} has {size:,} bytes, its manifest states {count:,} entries of {dtype.itemsize} bytes",
            hint="the file is cut short or was changed; pack the documents again",
        )
    # An empty file cannot be mapped.
    return np.memmap(path, dtype=dtype, mode="r") if count else np.empty(0, dtype=dtype)
