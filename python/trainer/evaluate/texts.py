"""Documents to measure perplexity on, as token ids: from token folders, and from files of text.

A file of text is one document, a row of JSONL or Parquet is one, and a folder is all the files in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from prepcore.arguments import UsageError
from prepcore.tokens.folder import Tokens
from prepcore.tokens.manifest import MANIFEST, is_token_folder
from prepcore.tokens.split import TokenSplit
from trainer.tokenizer import check_same_ids

if TYPE_CHECKING:
    import polars as pl
    from tokenizers import Tokenizer

ROWS = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".ndjson", ".parquet")
"""Endings of files whose rows are documents."""

TEXTS = (".txt", ".md")
"""Endings of files in a folder that are a document each; a file that is named itself may have any."""

DIGITS = 16
"""Digits of a fingerprint."""

BEGINNING = 2**16
"""Bytes of each file of text that count for a fingerprint."""

BATCH = 256
"""Rows of JSONL or Parquet that are read at once."""


@dataclass(frozen=True)
class Document:
    """One document.

    Attributes
    ----------
    ids
        Its tokens without the beginning token.
    bytes
        UTF-8 bytes of its text; in a token folder, which knows those of all its documents, their share by
        tokens.
    """

    ids: list[int]
    bytes: float


class Documents(Protocol):
    """Something with documents in it."""

    @property
    def fingerprint(self) -> str:
        """What stands for the content without reading all of it."""
        ...

    def check(self, checkpoint: Path) -> None:
        """Refuse what a checkpoint cannot be measured on."""
        ...

    def read(self, tokenizer: Tokenizer) -> Iterator[Document]:
        """Read the documents in order."""
        ...


@dataclass(frozen=True)
class TokenDocuments:
    """The held-out documents of a token folder; all of them where none are held out.

    Their ids stand as they were packed, the end token included, which a model learns to predict, too.
    """

    tokens: Tokens

    @property
    def side(self) -> TokenSplit:
        """The documents."""
        return self.tokens.validation or self.tokens.train

    @property
    def split(self) -> str:
        """What the side is called."""
        return "train" if self.tokens.validation is None else "validation"

    @property
    def fingerprint(self) -> str:
        """The checksum of the manifest, which states what was packed, and how."""
        return hashlib.sha256((self.tokens.path / MANIFEST).read_bytes()).hexdigest()[:DIGITS]

    def check(self, checkpoint: Path) -> None:
        """Refuse ids that mean other tokens to the model.

        Raises
        ------
        UsageError
            Naming both tokenizers and the first id that differs.
        """
        if self.tokens.tokenizer is not None:
            check_same_ids(self.tokens.tokenizer, checkpoint)
        if not self.side.tokens:
            raise UsageError(f"{self.tokens.path} has no tokens", "pack documents into it")

    def read(self, tokenizer: Tokenizer) -> Iterator[Document]:
        """Read the documents; where borders are not known, each row is one."""
        del tokenizer
        side, begin = self.side, self.tokens.bos
        rows = None if self.tokens.has_borders else side.packed(self.tokens.sequence_length)
        text_bytes = (side.text_bytes or 0) / side.tokens
        for number in range(side.documents if rows is None else len(rows)):
            ids = np.asarray(side.document(number) if rows is None else rows[number]).tolist()
            share = text_bytes * len(ids)
            # Where one token both begins and ends texts, it was only put at their ends.
            if begin is not None and begin != self.tokens.eos and ids[:1] == [begin]:
                del ids[0]
            if ids:
                yield Document(ids, share)


@dataclass(frozen=True)
class TextDocuments:
    """Files of text, JSONL and Parquet.

    Attributes
    ----------
    path
        A file, or a folder of them.
    column
        Where the text stands in JSONL and Parquet.
    """

    path: Path
    column: str

    @property
    def files(self) -> list[Path]:
        """The files in the order of their paths; hidden ones are not looked at."""
        if not self.path.is_dir():
            return [self.path]
        return sorted(
            file
            for file in self.path.rglob("*")
            if file.name.endswith((*ROWS, *TEXTS)) and not file.name.startswith((".", "_")) and file.is_file()
        )

    @property
    def fingerprint(self) -> str:
        """The checksum of the sizes and the beginnings of the files."""
        checksum = hashlib.sha256(self.column.encode())
        for path in self.files:
            with path.open("rb") as file:
                checksum.update(f"{path.stat().st_size} ".encode() + file.read(BEGINNING))
        return checksum.hexdigest()[:DIGITS]

    def check(self, checkpoint: Path) -> None:
        """Refuse what is not there, and tables without the column.

        Raises
        ------
        UsageError
            Naming the path.
        """
        del checkpoint
        if not self.path.exists():
            raise UsageError(f"perplexity: there is no {self.path}", "wanted a token folder or files of text")
        if not self.files:
            raise UsageError(
                f"perplexity: {self.path} is no token folder and has no files of text",
                f"wanted files that end in {', '.join((*TEXTS, *ROWS))}",
            )
        for file in self.files:
            if file.name.endswith(ROWS):
                _scan(file, self.column)

    def read(self, tokenizer: Tokenizer) -> Iterator[Document]:
        """Read and encode the documents; empty ones are left out."""
        tokenizer.no_truncation()  # what some files ask for
        for text in self._texts():
            ids = tokenizer.encode(text, add_special_tokens=False).ids
            if ids:
                yield Document(ids, len(text.encode()))

    def _texts(self) -> Iterator[str]:
        for file in self.files:
            if not file.name.endswith(ROWS):
                try:
                    yield file.read_text(encoding="utf-8")
                except UnicodeDecodeError as error:
                    raise UsageError(f"{file} is not UTF-8: {error}", "wanted a file of text") from error
                continue
            for batch in _scan(file, self.column).collect_batches(chunk_size=BATCH, maintain_order=True):
                yield from batch[self.column].drop_nulls()


def documents_of(path: Path, column: str) -> TokenDocuments | TextDocuments:
    """Open a path as what it is.

    Raises
    ------
    UsageError
        When it is a token folder that cannot be read.
    """
    return TokenDocuments(Tokens(path)) if is_token_folder(path) else TextDocuments(path, column)


def _scan(file: Path, column: str) -> pl.LazyFrame:
    import polars as pl

    try:
        table = pl.scan_parquet(file, glob=False) if file.suffix == ".parquet" else pl.scan_ndjson(file)
        schema = table.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UsageError(f"{file} cannot be read: {str(error).splitlines()[0]}") from error
    if schema.get(column) != pl.String:
        raise UsageError(
            f"{file} has no column {column!r} of text; its columns: {', '.join(schema)}", "give --text-column"
        )
    return table.select(column)
