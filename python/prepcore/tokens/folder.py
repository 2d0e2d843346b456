"""`prepcore.Tokens`: a token folder as memory-mapped arrays.

A folder holds ``tokens-00000.ds`` … (little-endian ids), an ``.index`` beside each (where documents end,
cumulative within the file), the same for held-out documents under ``validation/``, the ``tokenizer/`` and
``manifest.json``. The files in the order of the manifest are one long sequence. A row is the next ``L``
tokens of it, whatever file borders lie inside, and a rest shorter than ``L`` is in no row; or, where the
documents were packed otherwise, what ``rows-<L>.idx`` says (see `prepcore.tokens.row_index`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from prepcore import engine
from prepcore.arguments import UsageError
from prepcore.tokens.files import DTYPES, TokenFile
from prepcore.tokens.manifest import FORMAT_VERSION, MANIFEST, read_manifest
from prepcore.tokens.row_index import RowIndex
from prepcore.tokens.rows import Rows
from prepcore.tokens.split import TokenSplit

if TYPE_CHECKING:
    from prepcore.tokens.tracing import Trace

SplitName = Literal["train", "validation"]


class Tokens:
    """A token folder, opened: its files are there and have the sizes that the manifest states.

    Everything is memory-mapped: opening reads the manifest and the file sizes, nothing more.

    Parameters
    ----------
    path
        The folder that ``prepcore pack`` has written.

    Attributes
    ----------
    path
        The folder.
    manifest
        ``manifest.json``.
    train
        The documents to train on.
    validation
        Those held out, or None.
    sequence_length, packing
        Length of the rows the folder was packed for, and how; with ``concatenate`` any other length cuts the
        same sequence differently.
    vocabulary_size
        Number of ids the tokenizer can give; where there is no tokenizer, the largest id plus one.
    bos, eos
        Ids that begin and end a document, or None.
    padding_id
        Id that stands where a row has no token: `eos`, or 0. It is told from a token by the mask alone.
    tokenizer
        Folder of the tokenizer's files, or None.
    has_borders
        Whether the ends of documents are known; rows that came from Parquet have none.

    Raises
    ------
    UsageError
        When it is missing, is not a token folder, or a file differs from its manifest.

    Examples
    --------
    >>> tokens = prepcore.Tokens("tokens")  # doctest: +SKIP
    >>> tokens.row(0)[:4], tokens.decode(tokens.document(17))  # doctest: +SKIP
    >>> tokens.rows(4096)[:100].shape  # doctest: +SKIP
    (100, 4096)
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.manifest: Mapping[str, Any] = read_manifest(self.path)
        try:
            self._read()
        except (KeyError, TypeError) as error:
            raise UsageError(
                f"{self.path / MANIFEST} lacks or misstates {error}, which a token folder of version "
                f"{FORMAT_VERSION} has",
                hint="pack the documents again with `prepcore pack`",
            ) from error

    def _read(self) -> None:
        manifest = self.manifest
        self._dtype = DTYPES[manifest["dtype"]]
        self.sequence_length = int(manifest["sequence_length"])
        self.packing = str(manifest.get("packing", "concatenate"))
        tokenizer = manifest["tokenizer"]
        self.vocabulary_size = int(
            tokenizer["vocabulary_size"] if tokenizer else manifest["converted"]["largest"]["id"] + 1
        )
        self.tokenizer = self.path / tokenizer["path"] if tokenizer else None
        self.bos = _special_id(manifest["special"], "bos")
        self.eos = _special_id(manifest["special"], "eos")
        self.padding_id = 0 if self.eos is None else self.eos
        self.train = self._split(manifest, str(self.path))
        held_out = manifest["validation"]
        self.validation = self._split(held_out, f"{self.path}/validation") if held_out else None
        self.has_borders = bool(self.train.documents or not self.train.tokens)

    def _split(self, stated: Mapping[str, Any], name: str) -> TokenSplit:
        files = [
            TokenFile.open(
                self.path / file["path"],
                tokens=int(file["tokens"]),
                documents=int(file["documents"]),
                dtype=self._dtype,
            )
            for file in _token_files(self.path, stated["files"])
        ]
        indexes = [RowIndex.open(self.path, entry) for entry in stated.get("row_indexes") or ()]
        return TokenSplit(
            files,
            int(stated["bytes"]),
            row_indexes=indexes,
            packing=self.packing,
            padding_id=self.padding_id,
            name=name,
        )

    def __repr__(self) -> str:
        return (
            f"Tokens({str(self.path)!r}: {self.train.documents:,} documents, {self.train.tokens:,} tokens, "
            f"{self.packing} rows of {self.sequence_length:,})"
        )

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of an id on disk: ``uint16`` or ``uint32``."""
        return self._dtype

    def split(self, name: SplitName) -> TokenSplit:
        """Return one side by its name, as ``sources.parquet`` has it.

        Raises
        ------
        UsageError
            When nothing was held out, or the name is another.
        """
        if name == "train":
            return self.train
        if name != "validation":
            raise UsageError(f"{name!r} is not a split", "wanted train or validation")
        if self.validation is None:
            raise UsageError(
                f"{self.path} holds no documents out, so there is no split {name!r}",
                "`prepcore pack --validation SHARE` holds some out",
            )
        return self.validation

    def rows(
        self, sequence_length: int | None = None, *, split: SplitName = "train", packing: str | None = None
    ) -> Rows:
        """Return the rows of one side: ``rows[7]``, ``rows[:100]``, ``len(rows)``, ``rows.pieces(7)``.

        Parameters
        ----------
        sequence_length
            Tokens in a row; by default the folder's.
        split
            ``train`` or ``validation``.
        packing
            How documents fill the rows; by default the folder's.

        Raises
        ------
        UsageError
            When the folder has no rows of this length and packing.
        """
        length = self.sequence_length if sequence_length is None else sequence_length
        return self.split(split).packed(length, packing)

    def row(
        self, number: int, sequence_length: int | None = None, *, split: SplitName = "train"
    ) -> NDArray[np.int64]:
        """Return the ids of a row, shape ``(sequence_length,)``; the end of a short one has `padding_id`."""
        ids: NDArray[np.int64] = self.rows(sequence_length, split=split)[number]
        return ids

    def document(self, number: int, *, split: SplitName = "train") -> NDArray[Any]:
        """Return the ids of a document, bos and eos included: a view of the memory map.

        Raises
        ------
        UsageError
            When there is no such document.
        """
        return self.split(split).document(number)

    def decode(self, ids: Iterable[int] | NDArray[Any]) -> str:
        """Turn ids into text, special tokens included.

        Ids that begin or end in the middle of a character give U+FFFD for it.

        Raises
        ------
        UsageError
            When the folder came without a tokenizer.
        """
        return str(self._decoder.decode(np.asarray(ids, dtype=np.uint32).tolist()))

    def trace(self, row: int, *, split: SplitName = "train", sequence_length: int | None = None) -> Trace:
        """Say which documents a row is made of, where they came from, and what they say.

        Raises
        ------
        UsageError
            When there is no such row, or the folder does not know its documents.
        """
        from prepcore.tokens.tracing import traced

        return traced(self, row, split=split, sequence_length=sequence_length)

    @cached_property
    def statistics(self) -> dict[str, Any]:
        """What lies in the folder, in numbers: ``train`` and ``validation`` (or None).

        Each has ``tokens``, ``documents``, ``tokens_per_byte``, ``distinct_tokens``, ``unknown_tokens``,
        ``byte_fallback_tokens``, ``top_tokens``, ``document_lengths`` (with ``quantiles`` and ``histogram``),
        ``sources`` and ``other_sources``. As the manifest states them; where it does not, they are counted.
        """
        stated = self.manifest.get("statistics")
        if stated:
            return dict(stated)
        held_out = self.manifest["validation"]
        reading = {
            "folder": str(self.path),
            "tokenizer": self.manifest["tokenizer"]["path"] if self.tokenizer else None,
            "dtype": self.manifest["dtype"],
            "vocabulary_size": self.vocabulary_size,
            "train": _files_of(self.manifest),
            "validation": _files_of(held_out) if held_out else None,
            "threads": os.cpu_count() or 1,
        }
        counted: dict[str, Any] = json.loads(engine.core().token_statistics(json.dumps(reading)))
        return counted

    @cached_property
    def _decoder(self) -> Any:
        if self.tokenizer is None:
            raise UsageError(
                f"{self.path} came without a tokenizer, so its ids cannot be read",
                "give the tokenizer where the folder is made",
            )
        return engine.core().Decoder(str(self.tokenizer))


def _special_id(special: Mapping[str, Any], name: str) -> int | None:
    token = special[name]
    return None if token is None else int(token["id"])


def _files_of(split: Mapping[str, Any]) -> dict[str, Any]:
    return {"files": [file["path"] for file in split["files"]], "bytes": split["bytes"]}


def _token_files(folder: Path, stated: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    for file in stated:
        if str(file["path"]).endswith(".parquet"):
            raise UsageError(
                f"{folder} holds rows in Parquet, wanted token files",
                f"`prepcore convert {folder} --out DIR` makes a token folder of them",
            )
    return stated
