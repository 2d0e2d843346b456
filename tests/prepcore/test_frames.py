"""Polars in, Polars out: what stays is untouched, whatever types stand beside the text."""

from __future__ import annotations

import datetime as dt
import json
import warnings
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

pytest.importorskip("prepcore._core", reason="the Rust extension is not built")

import prepcore

GOOD = "a first line\na second line\na third line"


def text_of(number: int) -> str:
    return f"{GOOD} of {number}"


@pytest.fixture
def wide() -> pl.DataFrame:
    """Rows 0 to 9 with every kind of column; rows 1, 4 and 7 are dropped."""
    texts = [text_of(number) for number in range(10)]
    texts[1], texts[4], texts[7] = "short", texts[0], "a\nb\nc"
    day = dt.datetime(2024, 2, 29, 12, 30)
    return pl.DataFrame(
        {
            "number": pl.Series(range(10), dtype=pl.UInt16),
            "category": pl.Series(list("abcabcabca"), dtype=pl.Categorical),
            "text": texts,
            "level": pl.Series(["low", "high"] * 5, dtype=pl.Enum(["low", "high"])),
            "struct": [{"a": n, "b": [str(n)], "c": {"d": n / 3}} for n in range(10)],
            "list": [list(range(n)) if n % 3 else None for n in range(10)],
            "array": pl.Series([[n, n] for n in range(10)], dtype=pl.Array(pl.Int8, 2)),
            "when": pl.Series([day] * 10, dtype=pl.Datetime("us", "Asia/Seoul")),
            "day": [dt.date(2024, 1, n + 1) for n in range(10)],
            "span": [dt.timedelta(seconds=n) for n in range(10)],
            "nothing": pl.Series([None] * 10, dtype=pl.Null),
            "nothings": pl.Series([[None] * n for n in range(10)], dtype=pl.List(pl.Null)),
            "inner nothing": pl.Series([{"x": None}] * 10, dtype=pl.Struct({"x": pl.Null})),
            "flag": [n % 2 == 0 or None for n in range(10)],
            "bytes": [bytes([n]) for n in range(10)],
            "decimal": pl.Series([f"{n}.5" for n in range(10)]).cast(pl.Decimal(10, 2)),
            "other text": [None if n % 4 == 0 else "한국어" * n for n in range(10)],
        }
    )


KEPT = [0, 2, 3, 5, 6, 8, 9]


def test_a_frame_gives_a_frame_with_its_other_columns_untouched(wide: pl.DataFrame) -> None:
    cleaned = prepcore.clean(wide)
    assert_frame_equal(cleaned.frame, wide[KEPT])
    assert cleaned.frame.schema == wide.schema
    summary = cleaned.summary
    assert (summary["documents"], summary["kept"], summary["unreadable"]) == (10, 7, 0)
    assert {reason: count for reason, count in summary["dropped"].items() if count} == {
        "few_lines": 1,
        "short_lines": 1,
        "duplicate": 1,
    }


def test_a_lazy_frame_gives_a_lazy_frame_that_can_be_collected_twice(wide: pl.DataFrame) -> None:
    cleaned = prepcore.clean(wide.lazy())
    assert isinstance(cleaned.frame, pl.LazyFrame)
    assert cleaned.frame.collect_schema() == wide.schema
    with pytest.raises(prepcore.NotCollectedError, match="has not been read to its end"):
        _ = cleaned.summary
    for _ in range(2):
        assert_frame_equal(cleaned.frame.collect(), wide[KEPT])
        assert cleaned.summary["kept"] == 7


def test_a_lazy_frame_is_part_of_a_larger_query(wide: pl.DataFrame) -> None:
    lazy = prepcore.clean(wide.lazy()).frame
    query = lazy.filter(pl.col("number") > 2).select("number", pl.col("text").str.len_chars().alias("n"))
    wanted = (
        wide[KEPT].filter(pl.col("number") > 2).select("number", pl.col("text").str.len_chars().alias("n"))
    )
    assert_frame_equal(query.collect(), wanted)
    assert lazy.head(3).collect()["number"].to_list() == [0, 2, 3]
    assert lazy.select("number").collect()["number"].to_list() == KEPT
    assert lazy.select(pl.len()).collect().item() == 7


def test_a_source_in_python_does_not_hang(wide: pl.DataFrame) -> None:
    # A plan with Python in it needs the lock while the engine pulls from it.
    lazy = wide.lazy().with_columns(pl.col("text").map_elements(lambda text: text, return_dtype=pl.String))
    assert prepcore.clean(lazy).frame.collect()["number"].to_list() == KEPT
    again = prepcore.clean(prepcore.clean(lazy).frame)
    assert again.frame.collect()["number"].to_list() == KEPT


def test_files_scanned_lazily_stream(tmp_path: Path) -> None:
    frame = pl.DataFrame({"text": [text_of(n % 5_000) for n in range(20_000)], "n": range(20_000)})
    frame.write_parquet(tmp_path / "raw.parquet", row_group_size=1_000)
    cleaned = prepcore.clean(pl.scan_parquet(tmp_path / "raw.parquet"))
    cleaned.frame.sink_parquet(tmp_path / "cleaned.parquet")
    assert pl.read_parquet(tmp_path / "cleaned.parquet")["n"].to_list() == list(range(5_000))
    assert cleaned.summary["dropped"]["duplicate"] == 15_000


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_any_arrow_stream_gives_an_arrow_stream(kind: pa.DataType) -> None:
    table = pa.table({"text": pa.array([text_of(1), "short", text_of(2)], kind), "n": [1, 2, 3]})
    cleaned = prepcore.clean(table)
    assert pl.DataFrame(cleaned.frame)["n"].to_list() == [1, 3]
    cleaned = prepcore.clean(table)
    with pytest.raises(prepcore.NotCollectedError):
        _ = cleaned.summary
    assert [pl.DataFrame(batch)["n"].to_list() for batch in cleaned.frame] == [[1, 3]]
    assert cleaned.summary["kept"] == 2


@pytest.mark.parametrize("lazy", [False, True])
def test_null_text_counts_as_unreadable_and_is_warned_of(lazy: bool) -> None:
    frame = pl.DataFrame({"text": [text_of(1), None, text_of(2)], "n": [1, 2, 3]})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        cleaned = prepcore.clean(frame.lazy() if lazy else frame)
        assert cleaned.frame.lazy().collect()["n"].to_list() == [1, 3]
    assert ["1 of 3 rows have no text" in str(warning.message) for warning in caught] == [True]
    assert cleaned.summary["unreadable"] == 1


@pytest.mark.parametrize("lazy", [False, True])
def test_a_frame_without_rows_keeps_its_columns(wide: pl.DataFrame, lazy: bool) -> None:
    empty = wide.clear()
    cleaned = prepcore.clean(empty.lazy() if lazy else empty)
    assert_frame_equal(cleaned.frame.lazy().collect(), empty)
    assert cleaned.summary["documents"] == 0


@pytest.mark.parametrize("lazy", [False, True])
def test_a_missing_or_wrong_text_column_is_refused_at_once(lazy: bool) -> None:
    frame = pl.DataFrame({"body": ["x"], "n": [1]})
    for column in ("text", "n"):
        with pytest.raises(prepcore.PrepcoreError, match=r"--text-column.*" + column):
            prepcore.clean(frame.lazy() if lazy else frame, text_column=column)


def test_settings_reach_the_engine(wide: pl.DataFrame) -> None:
    rules = prepcore.Rules(short_lines="off", repetition="off")
    assert prepcore.clean(wide, rules=rules, dedup="off").summary["kept"] == 10
    assert prepcore.clean(wide.rename({"text": "body"}), text_column="body").summary["kept"] == 7
    assert prepcore.clean(wide, limit=3).frame["number"].to_list() == [0, 2]
    with pytest.raises(prepcore.ConfigurationError, match="--threads"):
        prepcore.clean(wide, threads=0)


def test_the_frame_that_came_in_is_as_it_was(wide: pl.DataFrame) -> None:
    before = wide.clone()
    prepcore.clean(wide)
    assert_frame_equal(wide, before)


def test_files_go_to_files(tmp_path: Path) -> None:
    raw = tmp_path / "raw.parquet"
    pl.DataFrame({"text": [text_of(1), "short"]}).write_parquet(raw)
    manifest = prepcore.clean(raw, out=tmp_path / "out")
    assert manifest["counts"]["kept"] == 1
    assert manifest == json.loads((tmp_path / "out" / "manifest.json").read_text())
    with pytest.raises(TypeError, match="give out="):
        prepcore.clean(raw)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="out= is for files"):
        prepcore.clean(pl.DataFrame({"text": ["x"]}), out="x")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="not int"):
        prepcore.clean(5)  # type: ignore[call-overload]


def test_tokenizer_and_pack_are_functions_too(tmp_path: Path) -> None:
    raw = tmp_path / "raw.jsonl"
    raw.write_text("".join(json.dumps({"text": text_of(n)}) + "\n" for n in range(50)))
    prepcore.tokenizer(raw, out=tmp_path / "tokenizer", vocabulary_size=280)
    manifest = prepcore.pack(
        [raw], out=tmp_path / "tokens", tokenizer=tmp_path / "tokenizer", sequence_length=8
    )
    assert manifest["sequence_length"] == 8


@settings(deadline=None, max_examples=30)
@given(
    st.lists(
        st.sampled_from([text_of(1), text_of(2), "short", "", "a\nb\nc", GOOD + "\x85\x1c", None]),
        max_size=12,
    ),
    st.integers(1, 5),
)
def test_lazy_eager_and_chunked_agree(texts: list[Any], pieces: int) -> None:
    frame = pl.DataFrame({"n": range(len(texts)), "text": texts}, schema={"n": pl.Int64, "text": pl.String})
    size = max(len(texts) // pieces, 1)
    parts = [frame[start : start + size] for start in range(0, len(texts), size)] or [frame]
    chunked = pl.concat(parts, rechunk=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        eager, lazy = prepcore.clean(frame), prepcore.clean(chunked.lazy())
        assert_frame_equal(eager.frame, lazy.frame.collect())
        assert_frame_equal(eager.frame, prepcore.clean(chunked).frame)
    assert eager.summary == lazy.summary
    counts = eager.summary
    assert counts["documents"] == len(texts)
    assert counts["documents"] == counts["kept"] + sum(counts["dropped"].values()) + counts["unreadable"]


@pytest.mark.parametrize("lazy", [False, True])
def test_columns_and_keys_are_chosen_as_for_files(lazy: bool) -> None:
    texts = [text_of(number) for number in range(4)]
    frame = pl.DataFrame({"n": [0, 1, 2, 3], "text": texts, "url": ["a", "b", "a", None]})

    def cleaned(**settings: Any) -> pl.DataFrame:
        kept = prepcore.clean(frame.lazy() if lazy else frame, **settings).frame
        return kept.collect() if isinstance(kept, pl.LazyFrame) else kept

    assert cleaned(dedup_key="column:url")["n"].to_list() == [0, 1, 3]
    assert_frame_equal(cleaned(columns=["text", "n"]), frame.select("n", "text"))
    for wrong in ({"dedup_key": "column:urll"}, {"columns": ["text", "urll"]}):
        with pytest.raises(prepcore.ConfigurationError, match=r"urll.*url"):
            cleaned(**wrong)
