"""Writing a token folder: what `prepcore.Tokens`, the trainer and datatrove read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from prepcore import engine
from prepcore.arguments import UsageError
from prepcore.formats.disk import flush
from prepcore.formats.source import Batch, Source, check_largest
from prepcore.tokens.files import DTYPES
from prepcore.tokens.manifest import FORMAT, FORMAT_VERSION, MANIFEST

TOKENIZER = "tokenizer"
"""Where the tokenizer is copied to, within the folder."""

DEFAULT_LENGTH = 2048
"""Tokens a row where nobody says otherwise, as for ``prepcore pack``."""


def write_folder(
    source: Source, target: Path, *, tokenizer: Path | None = None, sequence_length: int | None = None
) -> dict[str, Any]:
    """Write a source as a token folder.

    Parameters
    ----------
    source
        What to write.
    target
        An empty folder.
    tokenizer
        Folder or file of the tokenizer, where the source came without one. Without any, ids cannot be
        decoded, and the largest id met says how large a vocabulary must be.
    sequence_length
        Tokens in a row; by default those of the source's rows, or 2,048.

    Returns
    -------
    dict
        The manifest.

    Raises
    ------
    UsageError
        For ids that are none, or lie beyond the vocabulary.
    """
    chosen = source.tokenizer or tokenizer
    decoder = engine.core().Decoder(str(chosen)) if chosen else None
    dtype = source.dtype
    if decoder is not None and source.tokenizer is None:
        dtype = "uint16" if decoder.vocabulary_size <= 1 << 16 else "uint32"
    splits = {
        name: _write_split(source, target, name, given(), dtype) for name, given in source.splits.items()
    }
    length = sequence_length or source.sequence_length() or DEFAULT_LENGTH
    if not any(split["tokens"] for split in splits.values()):
        raise UsageError(f"{source.path} has no rows", "wanted a column input_ids with a list of ids a row")
    largest = source.largest.as_dict()
    if decoder is not None and source.tokenizer is None:
        check_largest(source.path, largest, decoder.vocabulary_size, f"the tokenizer in {chosen}")
    for split in splits.values():
        split["rows"], tail = divmod(split["tokens"], length)
        split["left_over"] = {"tail": tail}
    train, held_out = splits["train"], splits.get("validation")
    documents = {name: split["documents"] for name, split in splits.items()}
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "program": f"prepcore {engine.core().version()}",
        "configuration": {},
        "inputs": [],
        "converted": {"from": source.kind, "files": source.files, "largest": largest},
        "dtype": dtype,
        "tokenizer": _copy(decoder, target),
        "special": _special(source.special, decoder),
        "special_tokens": "unknown",
        "encoder": {"name": "unknown", "proof": f"none: the ids came from {source.kind}"},
        "sequence_length": length,
        "packing": "concatenate",
        "counts": {
            "documents": sum(documents.values()),
            "training": documents["train"],
            "validation": documents.get("validation", 0),
            "unreadable": 0,
        },
        "unreadable": 0,
        "tokens_per_byte": train["tokens"] / train["bytes"] if train["bytes"] else 0.0,
        **train,
        "validation": held_out,
    }
    path = target / MANIFEST
    path.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    flush(path)
    return manifest


def _write_split(
    source: Source, target: Path, split: str, given: Iterator[Batch], dtype: str
) -> dict[str, Any]:
    """Write one file of tokens and the ends of its documents beside it; describe them."""
    prefix = "" if split == "train" else f"{split}/"
    name = f"{prefix}tokens-00000.ds"
    path = target / name
    path.parent.mkdir(exist_ok=True)
    kind = DTYPES[dtype]
    tokens = documents = 0
    with path.open("wb") as out, path.with_name(path.name + ".index").open("wb") as index:
        for ids, lengths in given:
            if len(ids) and not 0 <= int(ids.min()) <= int(ids.max()) <= np.iinfo(kind).max:
                raise UsageError(
                    f"{source.path} has ids from {int(ids.min()):,} to {int(ids.max()):,}, wanted 0 to "
                    f"{np.iinfo(kind).max:,}",
                    "give the tokenizer that they were made with",
                )
            ids.astype(kind).tofile(out)
            if lengths is not None:
                (tokens + np.cumsum(lengths)).astype("<u8").tofile(index)
                documents += len(lengths)
            tokens += len(ids)
    path.with_name(path.name + ".metadata").write_text(
        f"{TOKENIZER}/tokenizer.json|{kind.itemsize}\n{tokens}\n{tokens:,} tokens", encoding="utf-8"
    )
    flush(path)
    file = {
        "path": name,
        "tokens": tokens,
        "documents": documents,
        "bytes": path.stat().st_size,
        "checksum": engine.core().checksum_of(str(path)),
    }
    return {
        "documents": documents,
        "tokens": tokens,
        "bytes": source.text_bytes(split, tokens),
        "files": [file],
    }


def _copy(decoder: Any, target: Path) -> dict[str, Any] | None:
    if decoder is None:
        return None
    decoder.copy_to(str(target / TOKENIZER))
    return {
        "path": TOKENIZER,
        "fingerprint": decoder.fingerprint,
        "vocabulary_size": decoder.vocabulary_size,
    }


def _special(stated: Mapping[str, Any] | None, decoder: Any) -> Mapping[str, Any]:
    if stated is not None:
        return stated
    found: dict[str, Any] = json.loads(decoder.special) if decoder else {"bos": None, "eos": None}
    return found
