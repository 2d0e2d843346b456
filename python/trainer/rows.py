"""Rows of tokens in Parquet: converted once into a token folder, which is kept beside them.

What is read: the folder that ``prepcore pack --format parquet`` writes, one Parquet file, or a folder of
them (those under ``validation/`` are held out), with a column ``input_ids`` that lists the ids of a row. All
rows have the same length. The token folder made of them is used again while the files keep their sizes and
times of modification.

Such rows have no document borders: nothing says where one document ends and the next begins.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from prepcore.arguments import UsageError
from prepcore.formats.disk import flush
from prepcore.formats.folder import write_folder
from prepcore.formats.row_files import RowFiles
from prepcore.mixture.recipe import is_recipe
from prepcore.tokens.manifest import MANIFEST
from trainer.config import DataConfig
from trainer.mixture import Mixture
from trainer.tokenizer import Vocabulary
from trainer.tokens import TokenFolder, check_largest

Say = Callable[[str], None]


def open_data(config: DataConfig, say: Say, tokenizer: Path | None = None) -> TokenFolder:
    """Open the data of a run, converting rows in Parquet if that was not done before.

    Parameters
    ----------
    config
        Where the data lies.
    say
        Is told of a conversion before it begins.
    tokenizer
        Folder of the tokenizer of rows that come without one, when ``config`` names none.

    Raises
    ------
    UsageError
        When there is no data, or it is not what it should be.
    """
    path = Path(config.path)
    if path.is_file() and is_recipe(path):
        return _open_mixture(path, config)
    rows = RowFiles.find(path)
    folder = TokenFolder.open(path if rows is None else converted(rows, config, say))
    chosen = Path(config.tokenizer) if config.tokenizer else tokenizer
    if folder.tokenizer is not None:
        _check_no_tokenizer(path, config)
        return replace(folder, path=path)
    if chosen is None:
        return replace(folder, path=path)
    vocabulary = Vocabulary.read(chosen)
    folder = replace(
        folder,
        path=path,
        tokenizer=chosen,
        vocabulary_size=vocabulary.size,
        bos=vocabulary.bos,
        eos=vocabulary.eos,
    )
    if folder.largest is not None:
        check_largest(path, folder.largest, vocabulary.size, f"the tokenizer in {chosen}")
    return folder


def _open_mixture(path: Path, config: DataConfig) -> Mixture:
    mixture = Mixture.open(path)
    _check_no_tokenizer(path, config)
    if config.sequence_length is not None:
        mixture.train.rows(config.sequence_length)
    return mixture


def _check_no_tokenizer(path: Path, config: DataConfig) -> None:
    if config.tokenizer:
        raise UsageError(
            f"--data.tokenizer has no effect: {path} has the tokenizer it was packed with", "leave it out"
        )


def converted(rows: RowFiles, config: DataConfig, say: Say) -> Path:
    """Return the token folder made of rows in Parquet, and make it if it is not there.

    It is written under another name and renamed when it is whole. Two runs that begin at once both convert,
    and the second to finish uses what the first one made.

    Raises
    ------
    UsageError
        When the rows are not what they should be, or the folder cannot be written.
    """
    named = rows.path if rows.path.name not in ("", "..") else rows.path.resolve()
    cache = Path(config.cache) if config.cache else named.with_name(f"{named.name}.tokens")
    identity = rows.identity()
    if _made_of(cache) == identity:
        return cache
    if cache.exists() and _made_of(cache) is None:
        raise UsageError(
            f"{cache} is in the way: the rows of {rows.path} are converted into a folder of that name",
            "choose another with --data.cache DIR",
        )
    say(f"converting the rows of {rows.path} once, into {cache}")
    partial = None
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(mkdtemp(prefix=f".{cache.name}.", dir=cache.parent))
        write_folder(rows.source(rows=True), partial)
        if _made_of(cache) != identity:
            shutil.rmtree(cache, ignore_errors=True)
            partial.chmod(0o755)  # a temporary folder is its owner's alone
            partial.rename(cache)
            flush(cache.parent)
    except OSError as error:
        raise UsageError(
            f"the rows of {rows.path} cannot be converted into {cache}: {error}",
            "choose a folder with room for them with --data.cache DIR",
        ) from error
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)
    return cache


def _made_of(cache: Path) -> Any:
    """Return what a token folder was converted from, or None when it is no such folder."""
    try:
        return json.loads((cache / MANIFEST).read_text(encoding="utf-8"))["converted"]["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
