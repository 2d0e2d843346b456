"""What a run needs to know of a token folder; `prepcore.tokens` reads it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prepcore.formats.source import check_largest
from prepcore.tokens.folder import Tokens
from trainer.split import Split

__all__ = ["TokenFolder", "check_largest"]


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
        tokens = Tokens(path)
        converted = tokens.manifest.get("converted")
        return cls(
            path=tokens.path,
            train=tokens.train,
            validation=tokens.validation,
            sequence_length=tokens.sequence_length,
            vocabulary_size=tokens.vocabulary_size,
            bos=tokens.bos,
            eos=tokens.eos,
            tokenizer=tokens.tokenizer,
            largest=converted["largest"] if converted else None,
            borders=tokens.has_borders,
        )
