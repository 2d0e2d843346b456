"""`prepcore.convert`: other people's token files to token folders of ours, and back."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Literal

from prepcore.arguments import UsageError
from prepcore.formats import megatron
from prepcore.formats.disk import flush
from prepcore.formats.folder import TOKENIZER, write_folder
from prepcore.formats.mapped import of_datatrove, of_tokens
from prepcore.formats.parquet import write_rows
from prepcore.formats.row_files import RowFiles
from prepcore.formats.source import Source
from prepcore.runs import PathLike
from prepcore.tokens.folder import SplitName, Tokens
from prepcore.tokens.manifest import is_token_folder

Format = Literal["tokens", "megatron", "parquet"]


def convert(
    source: PathLike,
    *,
    out: PathLike,
    format: Format = "tokens",  # noqa: A002 - the option's name
    tokenizer: PathLike | None = None,
    sequence_length: int | None = None,
) -> dict[str, Any]:
    """Convert token files.

    Parameters
    ----------
    source
        A token folder; a folder of datatrove's ``.ds`` files with an ``.index`` beside each; Megatron-LM's
        ``.bin`` and ``.idx``, by prefix, by either name or by their folder; Parquet with a column
        ``input_ids`` of lists, which are rows where all have one length and documents else; or a folder that
        ``save_to_disk`` of Hugging Face `datasets` wrote, likewise.
    out
        Folder to write, new or empty. It is there when it is whole.
    format
        ``tokens``: a token folder, which datatrove and nanotron read too. ``megatron``: ``train.bin`` and
        ``train.idx``, a sequence a document. ``parquet``: rows as lists.
    tokenizer
        A ``tokenizer.json``, or a folder that holds one, for ids that came without.
    sequence_length
        Tokens a row; by default those of the source's rows, or 2,048.

    Returns
    -------
    dict
        For ``tokens`` the manifest; else ``documents``, ``tokens`` and ``rows`` by split.

    Raises
    ------
    UsageError
        For a source that is none of these or is damaged, and an output that is not empty.
    """
    path, target = Path(source), Path(out)
    found = opened(path)
    if found.tokenizer is not None and tokenizer is not None:
        raise UsageError(
            f"--tokenizer has no effect: {path} has the tokenizer it was packed with", "leave it out"
        )
    if found.kind == "token folder" and format == "tokens":
        raise UsageError(
            f"{path} is a token folder already",
            "for rows of another length: `prepcore pack DIR --sequence-length L --out DIR`",
        )
    chosen = Path(tokenizer) if tokenizer is not None else None
    with _whole(target) as partial:
        if format == "tokens":
            return write_folder(found, partial, tokenizer=chosen, sequence_length=sequence_length)
        if format == "megatron":
            return _write_megatron(found, partial, chosen)
        if found.kind == "token folder":
            return _write_parquet(Tokens(path), partial, sequence_length)
        between = partial / ".tokens"
        between.mkdir()
        write_folder(found, between, tokenizer=chosen, sequence_length=sequence_length)
        counts = _write_parquet(Tokens(between), partial, sequence_length)
        shutil.rmtree(between)
        return counts


def opened(path: Path) -> Source:
    """Open whatever lies at a path.

    Raises
    ------
    UsageError
        For what is not known.
    """
    rows = RowFiles.find(path) if path.is_dir() or path.suffix == ".parquet" else None
    if rows is not None and path.exists():
        return rows.source()
    if path.is_dir() and is_token_folder(path):
        return of_tokens(Tokens(path))
    indexes = megatron.pairs(path)
    if indexes is not None:
        return megatron.of_megatron(path, indexes)
    if path.is_dir():
        if any(path.glob("*.ds")):
            return of_datatrove(path)
        saved = RowFiles.find_saved(path)
        if saved is not None:
            return saved.source()
    what = "holds no token files" if path.exists() else "there is no such file or folder"
    raise UsageError(
        f"{path}: {what}",
        "wanted a token folder, .ds files, .bin with .idx, Parquet with input_ids, or a saved dataset",
    )


def _write_megatron(source: Source, target: Path, tokenizer: Path | None) -> dict[str, Any]:
    counts = {}
    for name, given in source.splits.items():
        written = megatron.write(target, name, given(), source.dtype)
        counts[name] = {"documents": written.documents, "tokens": written.tokens}
    _copy_tokenizer(source.tokenizer or tokenizer, target)
    return counts


def _write_parquet(tokens: Tokens, target: Path, sequence_length: int | None) -> dict[str, Any]:
    splits: list[SplitName] = ["train", "validation"] if tokens.validation else ["train"]
    length = sequence_length or tokens.sequence_length
    counts: dict[str, Any] = {}
    for name in splits:
        split = tokens.split(name)
        rows = write_rows(tokens, name, target, length)
        counts[name] = {"documents": split.documents, "tokens": split.tokens, "rows": rows}
    _copy_tokenizer(tokens.tokenizer, target)
    return counts


def _copy_tokenizer(tokenizer: Path | None, target: Path) -> None:
    if tokenizer is not None:
        from prepcore import engine

        engine.core().Decoder(str(tokenizer)).copy_to(str(target / TOKENIZER))


@contextmanager
def _whole(target: Path) -> Iterator[Path]:
    """Give a folder to write that gets its name when all is well, and is removed when not."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target} is not empty, and a conversion writes a new folder", "name another")
    partial = None
    try:
        target.absolute().parent.mkdir(parents=True, exist_ok=True)
        partial = Path(mkdtemp(prefix=f".{target.name}.", dir=target.absolute().parent))
        yield partial
        if target.exists():
            target.rmdir()
        partial.chmod(0o777 & ~_umask())  # a temporary folder is its owner's alone
        partial.rename(target)
        flush(target.absolute().parent)
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error}", "name a folder with room for it") from error
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
