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
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from prepcore.arguments import UsageError
from prepcore.mixture.recipe import is_recipe
from prepcore.tokens.files import DTYPES
from prepcore.tokens.manifest import FORMAT, FORMAT_VERSION, MANIFEST
from trainer.config import DataConfig
from trainer.files import flush
from trainer.mixture import Mixture
from trainer.tokenizer import Vocabulary
from trainer.tokens import TokenFolder, check_largest

if TYPE_CHECKING:
    import polars

COLUMN = "input_ids"
# Ids held at a time, besides the few row groups that the Parquet reader decodes ahead: 32 MiB of int64.
BATCH_IDS = 1 << 22

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


@dataclass(frozen=True)
class RowFiles:
    """Parquet files of rows, and what is known of them.

    Attributes
    ----------
    path
        The file or the folder.
    train, validation
        Files in order.
    manifest
        That of ``prepcore pack``, or None.
    """

    path: Path
    train: list[Path]
    validation: list[Path]
    manifest: dict[str, Any] | None

    @classmethod
    def find(cls, path: Path) -> RowFiles | None:
        """Look for Parquet at a path; None when there is a token folder, or nothing."""
        if path.is_file():
            return cls(path, [path], [], None)
        try:
            manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        except FileNotFoundError:
            train = sorted(path.glob("*.parquet"))
            return cls(path, train, sorted((path / "validation").glob("*.parquet")), None) if train else None
        except (OSError, ValueError):
            return None  # opening it as a token folder says what is wrong
        try:
            splits = [manifest, manifest["validation"] or {"files": []}]
            files = [[path / file["path"] for file in split["files"]] for split in splits]
        except (KeyError, TypeError):
            return None
        if not files[0] or files[0][0].suffix != ".parquet":
            return None
        return cls(path, files[0], files[1], manifest)

    def identity(self) -> list[dict[str, Any]]:
        """Say which files these are: names, sizes and times of modification."""
        paths = [*self.train, *self.validation, *([self.path / MANIFEST] if self.manifest else [])]
        found = []
        for path in paths:
            try:
                state = path.stat()
            except FileNotFoundError:
                raise UsageError(
                    f"{path} is missing, though the manifest of its folder names it",
                    "copy the whole folder, or pack the documents again",
                ) from None
            name = path.name if path == self.path else path.relative_to(self.path).as_posix()
            found.append({"path": name, "bytes": state.st_size, "modified_ns": state.st_mtime_ns})
        return found


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
        _convert(rows, partial, identity)
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


def _convert(rows: RowFiles, target: Path, identity: list[dict[str, Any]]) -> None:
    stated = rows.manifest or {"dtype": "uint32", "tokenizer": None, "special": {"bos": None, "eos": None}}
    writer = _Writer(rows.path, np.dtype(DTYPES[stated["dtype"]]), stated.get("sequence_length"))
    splits = []
    for prefix, files in (("", rows.train), ("validation/", rows.validation)):
        if files:
            splits.append(writer.split(target, f"{prefix}tokens-00000.ds", files))
    if writer.length is None:
        raise UsageError(f"{rows.path} has no rows", f"wanted a column {COLUMN} with a list of ids a row")
    if rows.manifest is not None:
        limit = int(stated["tokenizer"]["vocabulary_size"])
        check_largest(rows.path, writer.largest, limit, f"the manifest of {rows.path}")
        shutil.copytree(rows.path / stated["tokenizer"]["path"], target / stated["tokenizer"]["path"])
        for split, source in zip(splits, (stated, stated["validation"]), strict=False):
            # The text of the tokens left over, which are in no row, is taken out in proportion.
            split["bytes"] = round(source["bytes"] * split["tokens"] / max(1, source["tokens"]))
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "program": "trainer",
        "converted": {"files": identity, "largest": writer.largest},
        "dtype": stated["dtype"],
        "tokenizer": stated["tokenizer"],
        "special": stated["special"],
        "sequence_length": writer.length,
        "packing": "concatenate",
        **splits[0],
        "validation": splits[1] if len(splits) > 1 else None,
    }
    path = target / MANIFEST
    path.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    flush(path)


class _Writer:
    """Checks rows and appends their ids to a file, a batch at a time."""

    def __init__(self, root: Path, dtype: np.dtype[Any], length: int | None) -> None:
        self.root = root
        self.dtype = dtype
        self.length = length
        self.largest: dict[str, Any] = {"id": -1, "file": "", "row": 0}

    def split(self, target: Path, name: str, files: list[Path]) -> dict[str, Any]:
        """Write one file of tokens and the empty list of its document ends; describe them."""
        path = target / name
        path.parent.mkdir(exist_ok=True)
        tokens = 0
        with path.open("wb") as out:
            for file in files:
                for ids in self._ids(file):
                    ids.astype(self.dtype).tofile(out)
                    tokens += len(ids)
        path.with_name(path.name + ".index").write_bytes(b"")
        flush(path)
        return {
            "documents": 0,
            "tokens": tokens,
            "bytes": 0,
            "files": [{"path": name, "tokens": tokens, "documents": 0}],
        }

    def _ids(self, file: Path) -> Iterator[NDArray[Any]]:
        """Yield the ids of a file in batches of whole rows that were checked."""
        import polars

        first = 0
        try:
            frame = polars.scan_parquet(file, glob=False)
            kind = frame.collect_schema().get(COLUMN)
            inner = getattr(kind, "inner", None)
            if inner is None or not inner.is_integer():
                columns = ", ".join(f"{name} ({kind})" for name, kind in frame.collect_schema().items())
                raise UsageError(
                    f"{file} has no column {COLUMN} with a list of whole numbers a row; it has {columns}",
                    "make rows with `prepcore pack --format parquet`, or rename the column",
                )
            lists = frame.select(polars.col(COLUMN).cast(polars.List(inner)))
            if self.length is None:
                head = lists.head(1).collect()[COLUMN]
                if head.null_count():
                    _refuse(file, 0, "is null, wanted a list of ids")
                self.length = head.list.len()[0] if len(head) else None
            for batch in lists.collect_batches(chunk_size=max(1, BATCH_IDS // (self.length or 1))):
                yield self._checked(batch[COLUMN], file, first)
                first += len(batch)
        except polars.exceptions.PolarsError as error:
            raise UsageError(
                f"{file} cannot be read as Parquet after row {first:,}: {str(error).splitlines()[0]}",
                "the file is cut short or is something else",
            ) from error

    def _checked(self, lists: polars.Series, file: Path, first: int) -> NDArray[Any]:
        """Return the ids of a batch of rows, one after the other; refuse rows that cannot be trained on."""
        if not len(lists):
            return np.empty(0, dtype=self.dtype)
        lengths = lists.list.len()
        for index in (lengths != self.length).fill_null(True).arg_true()[:1]:
            found = "null" if lengths[index] is None else f"{lengths[index]:,} ids"
            _refuse(file, first + index, f"has {found}, wanted {self.length:,} as in the other rows")
        if self.length is None or self.length < 2:
            _refuse(file, first, f"has {self.length} ids, wanted 2 or more")
        ids = lists.explode()
        for index in ids.is_null().arg_true()[:1]:
            _refuse(file, first + index // self.length, "has an id that is null, wanted numbers alone")
        values = ids.to_numpy()
        for extreme in (values.argmin(), values.argmax()):
            value, row = int(values[extreme]), first + int(extreme) // self.length
            if not 0 <= value <= np.iinfo(self.dtype).max:
                _refuse(file, row, f"has the id {value}, wanted 0 to {np.iinfo(self.dtype).max:,}")
            if value > self.largest["id"]:
                name = file.name if file == self.root else file.relative_to(self.root).as_posix()
                self.largest = {"id": value, "file": name, "row": row}
        return values


def _refuse(file: Path, row: int, fault: str) -> NoReturn:
    raise UsageError(
        f"{file}: row {row:,} {fault}", "every row is a list of equally many token ids, without gaps"
    )
