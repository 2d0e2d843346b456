"""Several processes, several steps, keys in memory or on disk: always the bytes of one go."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from tests.prepcore.running import ANY, clean, digests, facts, folder_of_parts, manifest, start

SHARDS = 7
GOOD = "a first line\na second line\na third line"


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An input of more parts than there are shards."""
    return folder_of_parts(tmp_path_factory.mktemp("raw") / "raw", 9, documents=12, size=3000)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, raw: Path) -> Path:
    """The output of one process."""
    out = tmp_path_factory.mktemp("whole") / "out"
    clean(raw, "--out", out, *ANY)
    assert len(manifest(out)["parts"]) == 9
    return out


def test_shards_at_once_are_one_go(tmp_path: Path, raw: Path, whole: Path) -> None:
    out = tmp_path / "out"
    for _ in range(3):
        running = [
            start(raw, "--out", out, *ANY, "--threads", 1, "--shard", f"{index}/{SHARDS}")
            for index in range(1, SHARDS + 1)
        ]
        for process in running:
            _, messages = process.communicate(timeout=120)
            assert process.returncode == 0, messages
    assert digests(out) == digests(whole)
    # Late comers find it finished.
    done = clean(raw, "--out", out, *ANY, "--shard", f"1/{SHARDS}")
    assert "is finished already" in done.stdout


def test_a_shard_says_what_it_waits_for(tmp_path: Path, raw: Path, whole: Path) -> None:
    out = tmp_path / "out"
    arguments = (raw, "--out", out, *ANY)
    first = clean(*arguments, "--shard", "1/2", "--json")
    waiting = json.loads(first.stdout)
    assert waiting == {
        "format": "prepcore.unfinished",
        "shard": "1/2",
        "step": "sign",
        "done": 5,
        "of": 9,
        "shards": [2],
    }
    assert "shard 1/2 has done what it can" in first.stderr
    assert "still to come: shards 2" in first.stderr
    early = clean(*arguments, "--shard", "1/2", "--step", "resolve", exit_code=2)
    assert "needs the step `sign` to be complete: 5 of 9 are done" in early.stderr
    assert "still to come: shard 2" in early.stderr
    for step in ("sign", "resolve"):
        for shard in ("1/2", "2/2"):
            done = clean(*arguments, "--shard", shard, "--step", step)
            assert "give the same command again" in done.stdout
    clean(*arguments, "--shard", "2/2", "--step", "emit")
    refused = clean(*arguments, "--shard", "1/2", "--overwrite", exit_code=2)
    assert "remove the folder" in refused.stderr
    clean(*arguments, "--shard", "1/2", "--step", "emit")
    assert digests(out) == digests(whole)


def test_documents_of_earlier_folders_are_dropped(tmp_path: Path, prepcore_texts: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    first = tmp_path / "first.parquet"
    pl.DataFrame({"text": [f"{GOOD} {n}" for n in range(0, 300, 3)]}).write_parquet(first)
    second = tmp_path / "second.parquet"
    pl.DataFrame({"text": [f"{GOOD} {n}" for n in range(0, 300, 5)]}).write_parquet(second)
    clean(first, "--out", one)
    clean(second, "--out", two)
    outs = []
    for dedup in ("memory", "disk"):
        out = tmp_path / dedup
        clean(prepcore_texts, "--out", out, "--dedup", dedup, "--against", f"{one},{two}")
        outs.append(out)
    assert digests(outs[0]) == digests(outs[1])
    kept = pl.read_parquet(outs[0] / "part-00000.parquet")["text"].to_list()
    assert kept == [f"{GOOD} {n}" for n in range(300) if n % 3 and n % 5]
    assert manifest(outs[0])["counts"]["dropped"]["against"] == 140
    dropped = pl.read_parquet(outs[0] / "dropped/part-00000.parquet").filter(pl.col("reason") == "against")
    by_row = dict(zip(dropped["row"], zip(dropped["detail"], dropped["twin_row"], strict=True), strict=True))
    assert by_row[6] == ("one/first.parquet", 2)
    assert by_row[10] == ("two/second.parquet", 2)
    # A document that both hold is of the one that was named first.
    assert by_row[15] == ("one/first.parquet", 5)


@pytest.fixture
def prepcore_texts(tmp_path: Path) -> Path:
    """Three hundred documents, none equal."""
    path = tmp_path / "raw.parquet"
    pl.DataFrame({"text": [f"{GOOD} {n}" for n in range(300)]}).write_parquet(path)
    return path


@pytest.mark.parametrize("dedup", ["memory", "disk"])
def test_what_makes_documents_equal(tmp_path: Path, dedup: str) -> None:
    texts = [GOOD, GOOD.upper(), GOOD.replace(" ", "\t "), GOOD, "another\nreally other\ntext"]
    frame = pl.DataFrame({"text": texts, "url": ["a", "b", "b", None, None]})
    frame.write_parquet(tmp_path / "raw.parquet")

    def kept(key: str) -> list[int]:
        out = tmp_path / key
        clean(tmp_path / "raw.parquet", "--out", out, "--dedup-key", key, "--dedup", dedup)
        left = pl.read_parquet(out / "part-00000.parquet")
        return [row for row, document in enumerate(frame.rows()) if document in left.rows()]

    assert kept("whitespace") == [0, 1, 4]
    assert kept("lowercase") == [0, 4]
    # A null is never a duplicate.
    assert kept("column:url") == [0, 1, 3, 4]


def test_keys_that_outgrow_the_memory_go_to_disk(tmp_path: Path) -> None:
    count = 1_500_000
    numbers = pl.int_range(count, eager=True) * 7919 % (count * 9 // 10)
    frame = pl.DataFrame({"n": numbers}).select(pl.format("{}\none\ntwo", "n").alias("text"))
    frame.write_parquet(tmp_path / "raw.parquet", row_group_size=100_000)
    settings = (
        tmp_path / "raw.parquet",
        "--rules.repetition",
        "off",
        "--rules.short-lines.min-line-chars",
        1,
    )
    roomy, tight, stuck = (tmp_path / name for name in ("roomy", "tight", "stuck"))
    clean(*settings, "--out", roomy, "--memory", "2GB")
    assert manifest(roomy)["counts"]["dropped"]["duplicate"] == count // 10
    assert facts(roomy)["seconds_by_step"].keys() == {"clean"}
    clean(*settings, "--out", tight, "--memory", "64MiB")
    assert facts(tight)["seconds_by_step"].keys() == {"clean", "sign", "resolve", "emit"}
    assert digests(tight) == digests(roomy)
    done = clean(*settings, "--out", stuck, "--memory", "64MiB", "--dedup", "memory", exit_code=1)
    assert "the keys no longer fit half of --memory 64MiB" in done.stderr
    assert "--dedup auto or disk" in done.stderr
    clean(*settings, "--out", stuck, "--memory", "64MiB", "--dedup", "disk")
    assert digests(stuck) == digests(roomy)
