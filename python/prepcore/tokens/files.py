"""Memory maps of a folder's files, which must have the sizes that their manifest states."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prepcore.arguments import UsageError

DTYPES: dict[str, np.dtype[Any]] = {"uint16": np.dtype("<u2"), "uint32": np.dtype("<u4")}
"""How ids lie in a token file, by the name that the manifest has for it."""

Ids = NDArray[np.int64]
"""Token ids as a model takes them, or numbers of places."""

AGAIN = "the file is cut short or was changed; pack the documents again"


ENDS = np.dtype("<i8")
"""Type of an end. The files say uint64, but no end needs the highest bit, and a search for a signed number
among unsigned ones would copy all of them as floats."""


@dataclass(frozen=True)
class TokenFile:
    """One file of tokens and the document ends beside it.

    Attributes
    ----------
    tokens
        Memory map of the ids, shape ``(tokens,)``.
    ends
        Memory map of the cumulative document ends, shape ``(documents,)``, int64.
    """

    tokens: NDArray[Any]
    ends: NDArray[np.int64]

    @classmethod
    def open(cls, path: Path, *, tokens: int, documents: int, dtype: np.dtype[Any]) -> TokenFile:
        """Map a file after checking that it has the size its manifest states.

        Raises
        ------
        UsageError
            When it is missing, or has another size.
        """
        return cls(
            tokens=mapped(path, dtype, tokens),
            ends=mapped(path.with_name(path.name + ".index"), ENDS, documents),
        )


def mapped(path: Path, dtype: np.dtype[Any], count: int, offset: int = 0) -> NDArray[Any]:
    """Map `count` entries of a file that ends behind them.

    Parameters
    ----------
    path
        The file.
    dtype
        Type of an entry.
    count
        Entries there must be.
    offset
        Bytes before the first of them.

    Raises
    ------
    UsageError
        When the file is missing, or has another size.
    """
    size = size_of(path)
    if size != offset + count * dtype.itemsize:
        before = f" behind {offset:,} others" if offset else ""
        raise UsageError(
            f"{path} has {size:,} bytes, its manifest states {count:,} entries of {dtype.itemsize} bytes"
            f"{before}",
            hint=AGAIN,
        )
    # An empty file cannot be mapped.
    return np.memmap(path, dtype=dtype, mode="r", offset=offset) if count else np.empty(0, dtype=dtype)


def size_of(path: Path) -> int:
    """Return the size of a file in bytes.

    Raises
    ------
    UsageError
        When it is missing.
    """
    try:
        return path.stat().st_size
    except FileNotFoundError:
        raise UsageError(
            f"{path} is missing, though the manifest of its folder names it",
            hint="copy the whole folder, or pack the documents again",
        ) from None
