"""The verb that goes from files to a tokenizer, as a function, and what verbs over files share."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypedDict, Unpack

from prepcore import config, engine
from prepcore.arguments import UsageError

PathLike = str | os.PathLike[str]
Inputs = PathLike | Iterable[PathLike]


class TokenizerSettings(TypedDict, total=False):
    """Settings of `tokenizer`, those of `prepcore.config.Tokenizer`."""

    text_column: str
    special_tokens: list[str]
    sample: str
    limit: int | None
    threads: int | None
    memory: str
    max_unreadable: float


def repack(
    folder: PathLike,
    *,
    sequence_length: int = 2048,
    packing: str = "concatenate",
    out: PathLike | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Give a token folder other rows, over the tokens it has, as ``prepcore pack FOLDER`` does.

    Parameters
    ----------
    folder
        What `pack` has written.
    sequence_length
        Tokens a row.
    packing
        ``concatenate`` or ``best-fit``.
    out
        Folder to write, with hard links to the token files; by default the rows become those of `folder`
        itself, and the row indexes that it had stay listed.
    overwrite
        Empty an output folder of other inputs or settings first.

    Returns
    -------
    dict
        The manifest.

    Raises
    ------
    PrepcoreError
        As ``prepcore pack`` ends with 1 or 2.
    """
    chosen = config.Pack(
        sequence_length=sequence_length,
        packing=packing,  # type: ignore[arg-type]
        overwrite=overwrite,
    )
    from prepcore.tokens.manifest import is_token_folder

    path = os.fspath(folder)
    if not is_token_folder(path):
        raise UsageError(f"{path} is not a token folder", "make one with prepcore.pack(…)")
    return engine.run("pack", chosen, [path], path if out is None else os.fspath(out)).document


def tokenizer(
    inputs: Inputs, *, out: PathLike, vocabulary_size: int, **settings: Unpack[TokenizerSettings]
) -> dict[str, Any]:
    """Train a byte-level BPE tokenizer, as ``prepcore tokenizer`` does.

    Parameters
    ----------
    inputs
        Files, folders and globs, in order.
    out
        Folder to write, new or empty; ``transformers.AutoTokenizer`` and `pack` load it.
    vocabulary_size
        Entries of the vocabulary: special tokens, the 256 bytes, and what is learned.
    **settings
        Those of `prepcore.config.Tokenizer`.

    Returns
    -------
    dict
        What was learned from.

    Raises
    ------
    PrepcoreError
        As ``prepcore tokenizer`` ends with 1 or 2.
    """
    chosen = config.Tokenizer(vocabulary_size=vocabulary_size, **settings)
    return engine.run("tokenizer", chosen, paths_of(inputs), os.fspath(out)).document


def paths_of(inputs: Inputs) -> list[str]:
    """Return one path or several as a list of strings."""
    if isinstance(inputs, str | Path | os.PathLike):
        return [os.fspath(inputs)]
    return [os.fspath(path) for path in inputs]
