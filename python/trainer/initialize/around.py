"""What a model is made for: its data, their tokenizer, a sample to measure on; without torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from prepcore.arguments import UsageError
from trainer.config import DataConfig, InitConfig
from trainer.rows import open_data
from trainer.tokenizer import DEFINITION, Vocabulary, check_same_ids
from trainer.tokens import TokenFolder

Say = Callable[[str], None]

DEFAULT_LENGTH = 4096
"""Longest text of a random model when nothing says it: that of Llama 2."""


@dataclass(frozen=True)
class Sample:
    """Where losses and the influence of blocks are measured.

    Attributes
    ----------
    folder
        The data.
    length
        Tokens in a row.
    isolate
        Whether documents that share a row are hidden from each other, as in the training.
    device
        Where to compute.
    """

    folder: TokenFolder
    length: int
    isolate: bool
    device: str = "cpu"

    @property
    def split(self) -> str:
        """The side that losses are measured on: what is held out, if anything is."""
        return "validation" if self.folder.validation is not None else "train"


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a model is made for.

    Attributes
    ----------
    tokenizer
        Folder of the tokenizer of the data, or None.
    vocabulary_size
        Ids that it has; random weights need it.
    bos, eos
        Ids that begin and end a document, or None.
    sequence_length
        Tokens in a row: the longest text of a random model that says nothing of it.
    sample
        Where losses and the influence of blocks are measured; None measures nothing.
    """

    tokenizer: Path | None = None
    vocabulary_size: int = 0
    bos: int | None = None
    eos: int | None = None
    sequence_length: int = 0
    sample: Sample | None = None


def surroundings(
    init: InitConfig,
    *,
    tokens: str | None,
    tokenizer: str | None,
    sequence_length: int | None = None,
    device: str = "cpu",
    say: Say = lambda line: None,
) -> Surroundings:
    """Open the data and the tokenizer that a model is made for.

    Parameters
    ----------
    init
        Its source has the tokenizer of Parquet rows that come without one.
    tokens
        Token folder, recipe or Parquet, or None.
    tokenizer
        Folder of tokenizer files, or None.
    sequence_length
        Tokens in a row, or None for the folder's.
    device
        Where to measure.
    say
        Is told of a conversion of Parquet before it begins.

    Raises
    ------
    UsageError
        When the data or the tokenizer cannot be opened, or they are not of each other.
    """
    chosen = Path(tokenizer) if tokenizer else None
    folder = None
    if tokens is not None:
        of_source = Path(init.source) if init.source and (Path(init.source) / DEFINITION).is_file() else None
        folder = open_data(DataConfig(path=tokens), say, tokenizer=chosen or of_source)
        if chosen is not None and folder.tokenizer is not None:
            check_same_ids(folder.tokenizer, chosen)
    if chosen is None and folder is not None:
        chosen = folder.tokenizer
    known = Vocabulary.read(chosen) if chosen is not None else None
    if folder is None:
        return Surroundings(
            tokenizer=chosen,
            vocabulary_size=known.size if known else 0,
            bos=known.bos if known else None,
            eos=known.eos if known else None,
            sequence_length=sequence_length or DEFAULT_LENGTH,
        )
    length = sequence_length or folder.sequence_length
    if folder.train.rows(length) == 0:
        raise UsageError(
            f"{folder.path} has {folder.train.tokens:,} tokens, not enough for one row of {length:,}",
            "give a folder with more text",
        )
    return Surroundings(
        tokenizer=chosen,
        vocabulary_size=max(folder.vocabulary_size, known.size if known else 0),
        bos=folder.bos,
        eos=folder.eos,
        sequence_length=sequence_length or max(length, DEFAULT_LENGTH),
        sample=Sample(folder, length, folder.borders, device),
    )
