"""Files of tokens that can be mapped: token folders of ours, and datatrove's without a manifest."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from prepcore.arguments import UsageError
from prepcore.formats import source
from prepcore.formats.source import Batch, Largest, Source
from prepcore.tokens.files import TokenFile
from prepcore.tokens.folder import SplitName, Tokens
from prepcore.tokens.split import TokenSplit

INDEX = ".index"


def of_tokens(tokens: Tokens) -> Source:
    """Make a source of an open token folder."""
    largest = Largest()
    splits: dict[SplitName, TokenSplit] = {"train": tokens.train}
    if tokens.validation is not None:
        splits["validation"] = tokens.validation
    text_bytes = {str(name): split.text_bytes for name, split in splits.items()}
    names = {name: [str(file["path"]) for file in tokens.stated(name)["files"]] for name in splits}
    return Source(
        path=tokens.path,
        kind="token folder",
        splits={name: partial(batches, split.files, names[name], largest) for name, split in splits.items()},
        dtype=str(tokens.manifest["dtype"]),
        largest=largest,
        tokenizer=tokens.tokenizer,
        special=tokens.manifest["special"],
        sequence_length=lambda: tokens.sequence_length,
        text_bytes=lambda name, count: text_bytes[name],
    )


def of_datatrove(path: Path) -> Source:
    """Make a source of a folder of ``.ds`` files with an ``.index`` beside each; ``validation/`` is held out.

    Raises
    ------
    UsageError
        For a file without its index, or one whose index is of another file.
    """
    largest = Largest()
    groups = {"train": path, "validation": path / "validation"}
    paths = {name: sorted(folder.glob("*.ds")) for name, folder in groups.items()}
    opened = {name: [_open(file) for file in files] for name, files in paths.items() if files}
    widths = {file.tokens.dtype.itemsize for files in opened.values() for file in files if len(file.tokens)}
    return Source(
        path=path,
        kind="datatrove",
        splits={
            name: partial(
                batches, files, [file.relative_to(path).as_posix() for file in paths[name]], largest
            )
            for name, files in opened.items()
        },
        dtype="uint16" if widths == {2} else "uint32",
        largest=largest,
    )


def batches(files: list[TokenFile], names: list[str], largest: Largest) -> Iterator[Batch]:
    """Yield the documents of mapped files, whole ones at a time, and note the largest id."""
    for file, name in zip(files, names, strict=True):
        first, begin = 0, 0
        if not len(file.ends):
            # Rows that have lost their borders.
            for start in range(0, len(file.tokens), source.BATCH_IDS):
                ids = file.tokens[start : start + source.BATCH_IDS]
                _note(ids, largest, name, first)
                yield Batch(ids, None)
            continue
        while first < len(file.ends):
            # At least one document, and as many more as fit.
            last = int(np.searchsorted(file.ends, begin + source.BATCH_IDS, side="right"))
            last = max(last, first + 1)
            ends = file.ends[first:last]
            ids = file.tokens[begin : int(ends[-1])]
            _note(ids, largest, name, first)
            yield Batch(ids, np.diff(ends, prepend=begin))
            first, begin = last, int(ends[-1])


def _note(ids: np.ndarray[tuple[int], np.dtype[np.generic]], largest: Largest, name: str, row: int) -> None:
    if len(ids) and (value := int(ids.max())) > largest.id:
        largest.id, largest.file, largest.row = value, name, row


def _open(path: Path) -> TokenFile:
    """Map a file; its width follows from the last document's end, which the metadata need not repeat."""
    index = path.with_name(path.name + INDEX)
    if not index.is_file():
        raise UsageError(f"{path} has no {index.name} beside it", "datatrove writes one with save_index=True")
    size, documents = path.stat().st_size, index.stat().st_size // 8
    tokens = int(np.fromfile(index, "<u8")[-1]) if documents else 0
    width = size // tokens if tokens else 2
    if width not in (2, 4) or size != tokens * width:
        raise UsageError(
            f"{path} has {size:,} bytes, but its last document ends at token {tokens:,}: ids would have "
            f"{size / max(1, tokens):.2f} bytes, wanted 2 or 4",
            "the file is cut short, or its index is of another",
        )
    return TokenFile.open(path, tokens=tokens, documents=documents, dtype=np.dtype(f"<u{width}"))
