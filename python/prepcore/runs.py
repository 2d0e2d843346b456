"""The verbs that go from files to a folder, as functions; `prepcore.clean` takes files too."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypedDict, Unpack

from prepcore import config, engine
from prepcore.arguments import UsageError

PathLike = str | os.PathLike[str]
Inputs = PathLike | Iterable[PathLike]


class PackSettings(TypedDict, total=False):
    """Settings of `pack`, those of `prepcore.config.Pack`."""

    text_column: str
    sequence_length: int
    packing: str
    bos: str
    eos: str
    special_tokens: str
    validation: float
    format: str
    order: str
    seed: int
    limit: int | None
    overwrite: bool
    threads: int | None
    memory: str
    max_unreadable: float


class TokenizerSettings(TypedDict, total=False):
    """Settings of `tokenizer`, those of `prepcore.config.Tokenizer`."""

    text_column: str
    special_tokens: list[str]
    sample: str
    limit: int | None
    threads: int | None
    memory: str
    max_unreadable: float


def pack(
    inputs: Inputs, *, out: PathLike, tokenizer: PathLike, **settings: Unpack[PackSettings]
) -> dict[str, Any]:
    """Tokenise documents and pack them into rows, as ``prepcore pack`` does.

    Parameters
    ----------
    inputs
        Files, folders and globs, in order.
    out
        Folder to write; a run into it that was stopped goes on, and one that is finished is not done again.
    tokenizer
        A ``tokenizer.json``, or a folder that holds one.
    **settings
        Those of `prepcore.config.Pack`.

    Returns
    -------
    dict
        The manifest.

    Raises
    ------
    PrepcoreError
        As ``prepcore pack`` ends with 1 or 2.
    """
    chosen = config.Pack(tokenizer=os.fspath(tokenizer), **settings)  # type: ignore[arg-type]
    return engine.run("pack", chosen, paths_of(inputs), os.fspath(out)).document


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
    path = os.fspath(folder)
    if not is_token_folder(path):
        raise UsageError(f"{path} is not a token folder", "make one with prepcore.pack(…)")
    return engine.run("pack", chosen, [path], path if out is None else os.fspath(out)).document


def is_token_folder(path: str) -> bool:
    """Whether a path is a folder that `pack` has written."""
    try:
        manifest = json.loads((Path(path) / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and manifest.get("format") == "prepcore.tokens"


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
