from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from prepcore.arguments import UsageError
from prepcore.formats import source as module
from tests.trainer.folders import write_byte_tokenizer, write_token_folder
from trainer.config import DataConfig, FitConfig, InitConfig, ModelConfig
from trainer.resolve import open_folder, resolve
from trainer.rows import open_data
from trainer.tokens import TokenFolder

ROWS = np.arange(60).reshape(15, 4) % 37


def write_rows(path: Path, rows: Any, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    ids = pl.Series("input_ids", list(rows), dtype=pl.List(pl.Int32))
    pl.DataFrame([ids, pl.Series("other", range(len(ids)))]).write_parquet(path, **options)
    return path


def write_packed(path: Path, *, vocabulary: int = 96) -> Path:
    """A folder as `prepcore pack --format parquet` writes it: the same manifest, other files."""
    write_token_folder(path, [[[1, 2]]], length=4, vocabulary=vocabulary)
    manifest = json.loads((path / "manifest.json").read_text())
    for name in ("tokens-00000.ds", "tokens-00000.ds.index"):
        (path / name).unlink()
    parts = {
        "part-00000.parquet": ROWS[:9],
        "part-00002.parquet": ROWS[9:],
        "validation/part-00001.parquet": ROWS[:2],
    }
    files = []
    for name, part in parts.items():
        write_rows(path / name, part.tolist())
        files.append({"path": name, "tokens": part.size, "rows": len(part), "bytes": 1, "checksum": ""})
    manifest |= {"files": files[:2], "tokens": 63, "bytes": 630}
    manifest["validation"] = {"files": files[2:], "tokens": 8, "bytes": 80}
    (path / "manifest.json").write_text(json.dumps(manifest))
    return path


def opened(path: Path, **options: str) -> tuple[TokenFolder, list[str]]:
    said: list[str] = []
    return open_data(DataConfig(path=str(path), **options), said.append), said


def all_rows(folder: TokenFolder) -> list[list[int]]:
    length = folder.sequence_length
    return folder.train.read(np.arange(folder.train.rows(length)), length).tolist()


def test_what_pack_wrote_as_parquet_is_a_token_folder(tmp_path: Path) -> None:
    folder, said = opened(write_packed(tmp_path / "rows"))
    assert said == [f"converting the rows of {tmp_path / 'rows'} once, into {tmp_path / 'rows.tokens'}"]
    assert all_rows(folder) == ROWS.tolist()
    assert folder.validation is not None
    assert folder.validation.read(np.arange(2), 4).tolist() == ROWS[:2].tolist()
    assert (folder.vocabulary_size, folder.bos, folder.eos, folder.borders) == (96, 1, 2, False)
    assert folder.tokenizer == tmp_path / "rows.tokens" / "tokenizer"
    assert (folder.tokenizer / "tokenizer.json").is_file()
    assert (tmp_path / "rows.tokens" / "tokens-00000.ds").stat().st_size == 2 * ROWS.size
    # Three tokens of 63 were left over, and so was their text.
    assert folder.train.text_bytes == 600
    assert not resolve(FitConfig(data=DataConfig(path="x")), folder).isolate
    with pytest.raises(UsageError, match=r"--data\.tokenizer has no effect"):
        opened(tmp_path / "rows", tokenizer=str(folder.tokenizer))


@pytest.mark.parametrize("batch_ids", [1, 20, 1 << 22])
def test_bare_files_and_folders_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch_ids: int
) -> None:
    monkeypatch.setattr(module, "BATCH_IDS", batch_ids)
    file = write_rows(tmp_path / "rows.parquet", ROWS.tolist(), row_group_size=4)
    for name, part in (("b", ROWS[9:]), ("a", ROWS[:9]), ("validation/c", ROWS[:3])):
        write_rows(tmp_path / "folder" / f"{name}.parquet", part.tolist())
    for path in (file, tmp_path / "folder"):
        folder, _ = opened(path)
        assert all_rows(folder) == ROWS.tolist()
        assert (folder.sequence_length, folder.vocabulary_size, folder.tokenizer) == (4, 37, None)
        assert folder.path == path
        assert folder.train.positions(np.arange(3), 4).tolist() == [[0, 1, 2, 3]] * 3
    assert folder.validation is not None
    assert folder.validation.rows(4) == 3


def test_arrays_of_any_whole_numbers_are_lists_too(tmp_path: Path) -> None:
    frame = pl.DataFrame({"input_ids": pl.Series(ROWS.astype(np.uint16))})
    assert isinstance(frame.schema["input_ids"], pl.Array)
    frame.write_parquet(tmp_path / "rows.parquet")
    assert all_rows(opened(tmp_path / "rows.parquet")[0]) == ROWS.tolist()


def test_converted_once_and_again_when_the_rows_change(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "rows.parquet", ROWS.tolist())
    cache = tmp_path / "elsewhere" / "cache"
    assert len(opened(file, cache=str(cache))[1]) == 1
    made = (cache / "tokens-00000.ds").stat()
    assert opened(file, cache=str(cache))[1] == []
    assert (cache / "tokens-00000.ds").stat() == made
    os.utime(file, ns=(0, file.stat().st_mtime_ns + 1))
    assert len(opened(file, cache=str(cache))[1]) == 1
    write_rows(file, ROWS[:5].tolist())
    folder, said = opened(file, cache=str(cache))
    assert len(said) == 1
    assert all_rows(folder) == ROWS[:5].tolist()
    assert [path.name for path in cache.parent.iterdir()] == ["cache"]


def test_what_lies_in_the_way_or_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "in" / "rows.parquet", [*ROWS.tolist(), [1]])
    with pytest.raises(UsageError, match="row 15 has 1 ids"):
        opened(file)
    assert list((tmp_path / "in").iterdir()) == [file]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("precious")
    with pytest.raises(UsageError, match=r"mine is in the way(?s:.*)--data\.cache DIR"):
        opened(file, cache=str(tmp_path / "mine"))
    with pytest.raises(UsageError, match=r"cannot be converted into(?s:.*)--data\.cache DIR"):
        opened(file, cache=str(tmp_path / "mine" / "file" / "below"))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[1, 2, 3], [4, 5]], "row 1 has 2 ids, wanted 3 as in the other rows"),
        ([[1, 2, 3], [], [4, 5, 6]], "row 1 has 0 ids, wanted 3"),
        ([[1, 2, 3], None], "row 1 has null, wanted 3"),
        ([None, [1, 2, 3]], "row 0 is null, wanted a list"),
        ([[1, 2, 3], [4, None, 5]], "row 1 has an id that is null"),
        ([[1, 2, 3], [4, 5, 6], [7, -8, 9]], "row 2 has the id -8, wanted 0 to"),
        ([[1], [2]], "row 0 has 1 ids, wanted 2 or more"),
        ([], "has no rows"),
    ],
)
def test_rows_that_cannot_be_trained_on_are_refused(tmp_path: Path, rows: Any, message: str) -> None:
    with pytest.raises(UsageError, match=f"{message}(?s:.*)hint: "):
        opened(write_rows(tmp_path / "rows.parquet", rows))
    assert [path.name for path in tmp_path.iterdir()] == ["rows.parquet"]


def test_files_without_rows_of_ids_are_refused(tmp_path: Path) -> None:
    pl.DataFrame({"text": ["a"]}).write_parquet(tmp_path / "text.parquet")
    with pytest.raises(UsageError, match=r"no column input_ids with a list .* it has text \(String\)"):
        opened(tmp_path / "text.parquet")
    pl.DataFrame({"input_ids": [["a"]]}).write_parquet(tmp_path / "words.parquet")
    with pytest.raises(UsageError, match=r"it has input_ids \(List\(String\)\)"):
        opened(tmp_path / "words.parquet")
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "text.parquet").read_bytes()[:-9])
    with pytest.raises(UsageError, match=r"cut\.parquet cannot be read as Parquet"):
        opened(tmp_path / "cut.parquet")
    packed = write_packed(tmp_path / "packed")
    (packed / "part-00002.parquet").unlink()
    with pytest.raises(UsageError, match=r"part-00002\.parquet is missing, though the manifest"):
        opened(packed)


def test_ids_beyond_the_vocabulary_are_refused_with_their_row(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"row 0 of part-00002\.parquet has the id 36, wanted less than 30"):
        opened(write_packed(tmp_path / "packed", vocabulary=30))


def test_rows_without_a_tokenizer_get_one_or_a_size(tmp_path: Path) -> None:
    file = str(write_rows(tmp_path / "rows.parquet", ROWS.tolist()))

    def config(model: ModelConfig | None = None, **options: str) -> FitConfig:
        return FitConfig(data=DataConfig(path=file, **options), model=model or ModelConfig())

    with pytest.raises(UsageError, match=r"without a tokenizer(?s:.*)--model\.vocab-size N"):
        open_folder(config(), print)
    with pytest.raises(UsageError, match=r"row 9 of rows\.parquet has the id 36, wanted less than 36"):
        open_folder(config(ModelConfig(vocab_size=36)), print)
    assert open_folder(config(ModelConfig(vocab_size=37)), print).tokenizer is None
    for size in (36, 50):
        write_byte_tokenizer(tmp_path / str(size), size)
    with pytest.raises(UsageError, match=r"less than 36, the ids of the tokenizer in .*/36"):
        open_folder(config(tokenizer=str(tmp_path / "36")), print)
    assert open_folder(config(tokenizer=str(tmp_path / "50")), print).vocabulary_size == 50
    # A model to continue from brings its own.
    source = ModelConfig(init=InitConfig(strategy="continue", source=str(tmp_path / "50")))
    assert open_folder(config(source), print).tokenizer == tmp_path / "50"


def test_data_of_another_tokenizer_than_the_model_is_refused(tmp_path: Path) -> None:
    path = write_token_folder(tmp_path / "t", [[[1, 5, 2]] * 9], vocabulary=50)
    write_byte_tokenizer(tmp_path / "source", 50)
    init = InitConfig(strategy="continue", source=str(tmp_path / "source"))
    config = FitConfig(data=DataConfig(path=str(path)), model=ModelConfig(init=init))
    open_folder(config, print)
    definition = tmp_path / "source" / "tokenizer.json"
    definition.write_text(definition.read_text().replace('"A"', '"é"'))
    with pytest.raises(UsageError, match="1 of 50 token ids"):
        open_folder(config, print)
