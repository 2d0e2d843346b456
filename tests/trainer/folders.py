"""Token folders made with numpy, as `prepcore pack` writes them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from tests.row_index import first_fit, write_row_index


def write_token_folder(
    path: Path,
    files: Sequence[Sequence[Sequence[int]]],
    *,
    validation: Sequence[Sequence[int]] = (),
    length: int = 16,
    vocabulary: int = 96,
    dtype: str = "uint16",
    tokenizer: Path | None = None,
    bos: int | None = 1,
    eos: int | None = 2,
    packing: str = "concatenate",
) -> Path:
    """Write documents (lists of ids), grouped by the file they go to, and documents held out.

    Any other packing than concatenation gets a row index, by first fit.
    """
    path.mkdir(parents=True)
    if tokenizer is None:
        write_byte_tokenizer(path / "tokenizer", vocabulary)
    else:
        shutil.copytree(tokenizer, path / "tokenizer", ignore=shutil.ignore_patterns("model*", "config.json"))
    manifest = {
        "format": "prepcore.tokens",
        "format_version": 1,
        "program": "prepcore 0.1.0",
        "configuration": {"validation": 0.1 if validation else 0.0},
        "dtype": dtype,
        "tokenizer": {"path": "tokenizer", "fingerprint": "xxh3-128:0", "vocabulary_size": vocabulary},
        "special": {"bos": _special(bos), "eos": _special(eos)},
        "sequence_length": length,
        "packing": "concatenate",
        **_write_split(path, "", files, length, dtype),
        "validation": _write_split(path, "validation/", [validation], length, dtype) if validation else None,
    }
    if packing != "concatenate":
        manifest["packing"] = packing
        groups = [document for file in files for document in file]
        for prefix, split, documents in (
            ("", manifest, groups),
            ("validation/", manifest["validation"], validation),
        ):
            if isinstance(split, dict):
                rows = first_fit([len(document) for document in documents], length)
                split["row_indexes"] = [write_row_index(path, prefix, rows, length, packing)]
                split["rows"] = len(rows)
    (path / "manifest.json").write_text(json.dumps(manifest))
    return path


def random_documents(
    count: int, *, seed: int = 0, vocabulary: int = 96, longest: int = 40
) -> list[list[int]]:
    """Documents with a pattern to learn: each token is the one before plus a small step, mostly."""
    generator = np.random.default_rng(seed)
    documents = []
    for _ in range(count):
        steps = generator.choice([1, 1, 1, 2, 5], size=generator.integers(3, longest))
        body = 3 + (generator.integers(vocabulary) + steps.cumsum()) % (vocabulary - 3)
        documents.append([1, *body.tolist(), 2])
    return documents


def write_byte_tokenizer(path: Path, vocabulary: int) -> None:
    """Write a tokenizer whose ids are printable characters, after three special tokens."""
    path.mkdir(parents=True)
    words = ["<unk>", "<s>", "</s>", *(chr(32 + index) for index in range(vocabulary - 3))]
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(words)}, "<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens(words[:3])
    tokenizer.save(str(path / "tokenizer.json"))


def _special(token: int | None) -> dict[str, object] | None:
    return None if token is None else {"id": token, "token": "<s>", "from": "option"}


def _write_split(
    root: Path, prefix: str, files: Sequence[Sequence[Sequence[int]]], length: int, dtype: str
) -> dict[str, object]:
    (root / prefix).mkdir(exist_ok=True)
    described = []
    for number, documents in enumerate(files):
        name = f"{prefix}tokens-{number:05}.ds"
        tokens = np.array([token for document in documents for token in document], dtype=np.dtype(dtype))
        tokens.astype(tokens.dtype.newbyteorder("<")).tofile(root / name)
        ends = np.cumsum([len(document) for document in documents], dtype="<u8")
        ends.tofile(root / f"{name}.index")
        described.append(
            {"path": name, "tokens": len(tokens), "documents": len(documents), "bytes": 3 * len(tokens)}
        )
    total = sum(int(file["tokens"]) for file in described)
    return {
        "documents": sum(len(documents) for documents in files),
        "tokens": total,
        "rows": total // length,
        "bytes": 3 * total,
        "left_over": {"tail": total % length},
        "files": described,
    }
