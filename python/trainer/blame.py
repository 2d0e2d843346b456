"""Naming rows: where the documents of a batch came from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from prepcore.arguments import UsageError
from prepcore.tokens.folder import Tokens
from prepcore.tokens.manifest import is_token_folder
from trainer.mixture import Mixture
from trainer.tokens import TokenFolder

NAMED = 16
"""Rows that are traced to their sources; of the others the numbers are given."""


def describe_rows(folder: TokenFolder, rows: Sequence[int], length: int) -> str:
    """Say which rows these are and which files and rows of the input they were made of.

    Parameters
    ----------
    folder
        The data of the run.
    rows
        Row numbers of its training split.
    length
        Tokens in a row.
    """
    lines = [_describe(folder, int(row), length) for row in rows[:NAMED]]
    if len(rows) > NAMED:
        lines.append(f"and the rows {', '.join(str(int(row)) for row in rows[NAMED:])}")
    return "".join(f"\n  {line}" for line in lines)


def _describe(folder: TokenFolder, row: int, length: int) -> str:
    path, number = _place(folder, row)
    if not is_token_folder(path):
        return f"row {number} of {path}"
    try:
        pieces = Tokens(path).trace(number, sequence_length=length).pieces
    except (UsageError, OSError) as error:
        return f"row {number} of {path} (its sources are not known: {str(error).splitlines()[0]})"
    sources = dict.fromkeys(
        f"document {piece.document}" if piece.source is None else f"{piece.source} row {piece.source_row}"
        for piece in pieces
    )
    return f"row {number} of {path}: {', '.join(sources)}"


def _place(folder: TokenFolder, row: int) -> tuple[Path, int]:
    """Return the folder that a row lies in, and its number there."""
    if not isinstance(folder, Mixture):
        return folder.path, row
    part = int(np.searchsorted(folder.train.starts, row, side="right")) - 1
    return Path(folder.recipe.sources[part].path), row - int(folder.train.starts[part])
