r"""Megatron-LM's ``.bin`` and ``.idx`` (its ``IndexedDataset``), read and written.

The ``.bin`` holds ids, sequence after sequence. The ``.idx`` holds, little-endian: 9 bytes
``MMIDIDX\0\0``; version 1 (uint64); a code of the ids' type (uint8); the numbers of sequences and of
document borders (uint64 each); lengths of the sequences in ids (int32), where each begins in the ``.bin`` in
bytes (int64), and the number of the sequence that each document begins with, and one past the last (int64).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prepcore.arguments import UsageError
from prepcore.formats.mapped import batches
from prepcore.formats.source import Batch, Largest, Source
from prepcore.tokens.files import TokenFile

MAGIC = b"MMIDIDX\x00\x00"
VERSION = 1
HEAD = struct.Struct("<9sQBQQ")
CODES: dict[int, str] = {1: "u1", 2: "i1", 3: "<i2", 4: "<i4", 5: "<i8", 8: "<u2"}
"""The codes of whole numbers; 6 and 7 are floats."""

WRITTEN = {"uint16": 8, "uint32": 4}
"""Code that ids are written with: two bytes without sign, or four with, as Megatron-LM itself chooses."""

BLOCK = 1 << 20
LONGEST = (1 << 31) - 1


def pairs(path: Path) -> dict[str, Path] | None:
    """Find ``.idx`` files with a ``.bin`` beside them: by prefix, by either name, or in a folder.

    Returns
    -------
    dict or None
        By split. In a folder a name with ``valid`` in it is held out, and there is one of each.
    """
    if path.suffix in (".idx", ".bin") and path.is_file():
        return {"train": path.with_suffix(".idx")}
    beside = path.with_name(path.name + ".idx")
    if not path.is_dir():
        return {"train": beside} if beside.is_file() else None
    found = sorted(path.glob("*.idx"))
    found = [index for index in found if index.with_suffix(".bin").is_file()]
    if not found:
        return None
    held_out = [index for index in found if "valid" in index.stem]
    train = [index for index in found if index not in held_out]
    if len(train) != 1 or len(held_out) > 1:
        raise UsageError(
            f"{path} has {len(found):,} datasets of Megatron-LM: {', '.join(index.stem for index in found)}",
            "name one of them, such as DIR/NAME",
        )
    return {"train": train[0]} | ({"validation": held_out[0]} if held_out else {})


def of_megatron(path: Path, indexes: dict[str, Path]) -> Source:
    """Make a source of Megatron-LM's files.

    Raises
    ------
    UsageError
        For files that are damaged, or whose ids are no whole numbers.
    """
    largest = Largest()
    opened = {name: _open(index) for name, index in indexes.items()}
    return Source(
        path=path,
        kind="Megatron-LM",
        splits={
            name: partial(batches, [file], [indexes[name].stem + ".bin"], largest)
            for name, file in opened.items()
        },
        dtype="uint16" if all(file.tokens.dtype.itemsize <= 2 for file in opened.values()) else "uint32",
        largest=largest,
    )


def _open(index: Path) -> TokenFile:
    size = index.stat().st_size
    with index.open("rb") as file:
        head = file.read(HEAD.size)
    if len(head) < HEAD.size or not head.startswith(MAGIC):
        raise UsageError(
            f"{index} begins with {head[:9]!r}, wanted {MAGIC!r}",
            "an .idx of Megatron-LM's IndexedDataset is read; its older formats are not",
        )
    _, version, code, sequences, borders = HEAD.unpack(head)
    wanted = HEAD.size + 12 * sequences + 8 * borders
    # Multimodal files have a mode for each sequence behind that.
    if version != VERSION or size not in (wanted, wanted + sequences):
        raise UsageError(
            f"{index} has version {version} and {size:,} bytes, wanted version {VERSION} and {wanted:,} "
            f"bytes for {sequences:,} sequences and {borders:,} document borders",
            "the file is cut short or is of another version",
        )
    if code not in CODES:
        raise UsageError(f"{index} states ids of type {code}, wanted one of {', '.join(map(str, CODES))}")
    lengths = _part(index, "<i4", HEAD.size, sequences)
    pointers = _part(index, "<i8", HEAD.size + 4 * sequences, sequences)
    starts = _part(index, "<i8", HEAD.size + 12 * sequences, borders)
    path = index.with_suffix(".bin")
    tokens: NDArray[Any] = np.empty(0, CODES[code])
    if path.stat().st_size:
        tokens = np.memmap(path, dtype=CODES[code], mode="r")
    ends = np.cumsum(lengths, dtype=np.int64)
    total = int(ends[-1]) if sequences else 0
    begins = ends - lengths
    if total != len(tokens) or not np.array_equal(pointers, begins * tokens.dtype.itemsize):
        raise UsageError(
            f"{path} has {len(tokens):,} ids, and {index.name} does not state {total:,} that follow "
            "each other without a gap",
            "one of the two is damaged or is of another dataset",
        )
    if borders and (int(starts[0]) != 0 or int(starts[-1]) != sequences):
        raise UsageError(f"{index}: its documents do not cover its {sequences:,} sequences")
    # A document ends where the next begins; one may hold several sequences, or none.
    whole = np.concatenate([[0], ends])
    documents = whole[starts[1:]] if borders else ends
    return TokenFile(tokens, documents.astype(np.int64))


def _part(index: Path, dtype: str, offset: int, count: int) -> NDArray[Any]:
    if not count:
        return np.empty(0, dtype)
    return np.memmap(index, dtype=dtype, mode="r", offset=offset, shape=(count,))


@dataclass
class Written:
    """What one dataset came to: its prefix, and how many documents and tokens it has."""

    path: str
    documents: int = 0
    tokens: int = 0


def write(folder: Path, name: str, given: Iterator[Batch], dtype: str) -> Written:
    """Write one split as ``NAME.bin`` and ``NAME.idx``; each document is one sequence.

    Raises
    ------
    UsageError
        For tokens without document borders, and a document that is longer than the format can state.
    """
    code = WRITTEN[dtype]
    kind = np.dtype(CODES[code])
    written = Written(name)
    waiting = folder / f".{name}.lengths"
    with (folder / f"{name}.bin").open("wb") as out, waiting.open("wb") as lengths:
        for batch in given:
            if batch.lengths is None:
                raise UsageError(
                    "rows that have lost their document borders cannot be written for Megatron-LM",
                    "convert the token folder of the same documents",
                )
            if len(batch.lengths) and int(batch.lengths.max()) > LONGEST:
                raise UsageError(
                    f"a document of {int(batch.lengths.max()):,} tokens is longer than Megatron-LM's "
                    f"{LONGEST:,}"
                )
            batch.ids.astype(kind).tofile(out)
            batch.lengths.astype("<i4").tofile(lengths)
            written.documents += len(batch.lengths)
            written.tokens += len(batch.ids)
    with (folder / f"{name}.idx").open("wb") as out:
        out.write(HEAD.pack(MAGIC, VERSION, code, written.documents, written.documents + 1))
        for block in _blocks(waiting):
            block.tofile(out)
        before = 0
        for block in _blocks(waiting):
            ends = before + np.cumsum(block, dtype=np.int64)
            ((ends - block) * kind.itemsize).astype("<i8").tofile(out)
            before = int(ends[-1])
        for start in range(0, written.documents + 1, BLOCK):
            np.arange(start, min(start + BLOCK, written.documents + 1), dtype="<i8").tofile(out)
    waiting.unlink()
    return written


def _blocks(path: Path) -> Iterator[NDArray[np.int32]]:
    with path.open("rb") as file:
        while len(block := np.fromfile(file, "<i4", BLOCK)):
            yield block
