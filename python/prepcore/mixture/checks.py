"""Which token folders fit together in a mixture; every difference is refused by the names of the sources."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from prepcore.arguments import UsageError
from prepcore.mixture.folder import SourceFolder

Folders = Mapping[str, SourceFolder]


def check_fit(folders: Folders) -> None:
    """Refuse folders that are one, whose ids mean other tokens, or that hold out different documents.

    Ids may be 16 bits wide in one and 32 in another: a number is a number.

    Parameters
    ----------
    folders
        By the names of the sources.

    Raises
    ------
    UsageError
        Naming the sources.
    """
    if not folders:
        raise UsageError("a mixture has no sources", "name at least one: NAME=DIR:WEIGHT")
    _check_different(folders)
    _check_tokenizers(folders)
    _check_held_out(folders)


def common_length(folders: Folders) -> int:
    """Return the row length that all folders were packed for.

    Raises
    ------
    UsageError
        When there are several.
    """
    lengths = _values(folders, lambda folder: folder.sequence_length)
    if len(lengths) > 1:
        raise UsageError(
            f"the folders were packed for rows of different lengths: {_listed(lengths)}",
            "choose one for all with --sequence-length N",
        )
    return int(next(iter(lengths)))


def _check_different(folders: Folders) -> None:
    seen: dict[Path, str] = {}
    for name, folder in folders.items():
        other = seen.setdefault(folder.path.resolve(), name)
        if other != name:
            raise UsageError(
                f"{name} and {other} are the same folder, {folder.path}",
                "name it once, with the sum of the weights",
            )


def _check_tokenizers(folders: Folders) -> None:
    tokenizers = _values(folders, lambda folder: folder.tokenizer)
    for name in tokenizers.get(None, ()):
        raise UsageError(
            f"{name} ({folders[name].path}) came without a tokenizer, so it is not known what its ids mean",
            "pack its documents with the tokenizer of the others",
        )
    if len(tokenizers) > 1:
        raise UsageError(
            f"the folders were packed with different tokenizers, by fingerprint: {_listed(tokenizers)}",
            "pack all of them with one tokenizer: the same id must mean the same token",
        )
    for side in ("bos", "eos"):
        ids = _values(folders, partial(_special, side))
        if len(ids) > 1:
            raise UsageError(
                f"the documents of the folders have different ids for --{side}: {_listed(ids)}",
                f"pack all of them with one --{side}",
            )


def _check_held_out(folders: Folders) -> None:
    """Refuse folders of which one may train on what another holds out.

    A document is held out when the hash of its text, with a seed that never changes, is below the share. With
    one share the same texts are held out of every folder; with two, a text whose hash lies between them would
    be in the validation of one folder and in the training of another.
    """
    shares = _values(folders, lambda folder: folder.held_out)
    for name in shares.get(None, ()):
        raise UsageError(
            f"how documents were held out of {name} ({folders[name].path}) is not known, so they may be in "
            "the training of another folder",
            "pack its documents again with `prepcore pack --validation SHARE`",
        )
    if len(shares) > 1:
        raise UsageError(
            f"the folders hold out different shares of their documents: {_listed(shares)}; a text that one "
            "holds out may be in the training of another",
            "pack all of them with the same --validation",
        )


def _special(side: str, folder: SourceFolder) -> int | None:
    return folder.special[side]


def _values(folders: Folders, of: Callable[[SourceFolder], Any]) -> dict[Any, list[str]]:
    """Return the values that folders have, each with the names of those that have it."""
    found: dict[Any, list[str]] = {}
    for name, folder in folders.items():
        found.setdefault(of(folder), []).append(name)
    return found


def _listed(values: Mapping[Any, Sequence[str]]) -> str:
    """Say which folders have which value; of several with one value, the first."""
    parts = []
    for value, names in values.items():
        more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
        parts.append(f"{'none' if value is None else value} in {names[0]}{more}")
    return ", ".join(parts)
