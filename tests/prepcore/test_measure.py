"""`prepcore.measure` and `frame.prep`: what thresholds would be compared with, row by row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import prepcore
import prepcore.namespace

TEXTS = st.lists(
    st.one_of(st.none(), st.text(alphabet="ab é한\n\u00a0\u001c", max_size=40), st.just("a\n\nb\n\na\n\na")),
    max_size=30,
)


def lines(text: str) -> list[int]:
    return sorted((len(line) for line in text.split("\n")), reverse=True)


@settings(max_examples=60, deadline=None)
@given(TEXTS)
def test_measures_are_those_of_plain_python(texts: list[str | None]) -> None:
    frame = pl.DataFrame({"text": texts, "id": range(len(texts))}, schema={"text": pl.String, "id": pl.Int64})
    measured = prepcore.measure(frame)
    assert measured.select(frame.columns).equals(frame)
    for row in measured.iter_rows(named=True):
        if row["text"] is None:
            assert row["lines"] is row["chars"] is row["repeated_chars"] is None
            continue
        text = row["text"]
        assert row["chars"] == len(text)
        assert row["words"] == len(text.split())
        assert row["lines"] == len(lines(text))
        assert row["line_chars"] == (lines(text)[2] if len(lines(text)) > 2 else 0)


@settings(max_examples=40, deadline=None)
@given(TEXTS)
def test_a_threshold_drops_what_measuring_shows(texts: list[str | None]) -> None:
    frame = pl.DataFrame({"text": [text for text in texts if text is not None]}, schema={"text": pl.String})
    measured = prepcore.measure(frame)
    bounds = prepcore.Length(min_chars=3, max_words=2)
    cleaned = prepcore.clean(frame, rules=["repetition", bounds], dedup="off")
    passes = (
        (pl.col("repeated_paragraphs") <= 0.3)
        & (pl.col("repeated_chars") <= 0.2)
        & (pl.col("chars") >= 3)
        & (pl.col("words") <= 2)
    )
    assert cleaned.frame["text"].to_list() == measured.filter(passes)["text"].to_list()


def test_lazy_frames_are_measured_alike_and_stop_early() -> None:
    frame = pl.DataFrame({"text": [f"text\nof {row}" for row in range(5000)]})
    measured = frame.prep.measure()
    assert frame.lazy().prep.measure().collect().equals(measured)
    assert frame.lazy().prep.measure().head(7).collect().equals(measured.head(7))
    assert (
        frame.lazy().prep.measure().select("chars").collect()["chars"].to_list()
        == measured["chars"].to_list()
    )


def test_rules_are_chosen_and_ordered_by_a_list() -> None:
    frame = pl.DataFrame({"text": ["a", "a\n\na\n\na", "x y z\nw\nv"]})
    length = prepcore.Length(min_words=2)
    first = prepcore.clean(frame, rules=["short_lines", length]).summary["dropped"]
    assert (first["few_lines"], first["few_words"]) == (1, 0)
    second = prepcore.clean(frame, rules=[length, "short_lines"]).summary["dropped"]
    assert (second["few_lines"], second["few_words"]) == (0, 1)
    assert "repeated_chars" not in second
    assert set(prepcore.measure(frame, rules=[length]).columns) == {"text", "words"}
    with pytest.raises(ValueError, match="'shortness' is no rule; there are unicode, redact"):
        prepcore.clean(frame, rules=["shortness"])
    with pytest.raises(ValueError, match="named twice"):
        prepcore.clean(frame, rules=["length", length])


def test_a_column_that_is_named_like_a_measure_is_refused() -> None:
    frame = pl.DataFrame({"text": ["a"], "lines": [3]})
    with pytest.raises(prepcore.ConfigurationError, match='has a column "lines" already'):
        prepcore.measure(frame)
    with pytest.raises(prepcore.InputError, match="no column of strings named 'content'; there are text"):
        prepcore.measure(frame, text_column="content")


def test_the_namespace_cleans_as_the_function_does() -> None:
    frame = pl.DataFrame({"text": ["one\ntwo\nthree", "short", "one\ntwo\nthree"]})
    assert frame.prep.clean().summary == prepcore.clean(frame).summary
    assert frame.lazy().prep.clean().frame.collect().equals(prepcore.clean(frame).frame)


def test_a_frame_is_packed_as_a_file_is(tmp_path: Path) -> None:
    frame = pl.DataFrame({"text": [f"some words of document {row}\nand more" for row in range(500)]})
    frame.write_parquet(tmp_path / "raw.parquet")
    prepcore.tokenizer(tmp_path / "raw.parquet", out=tmp_path / "tokenizer", vocabulary_size=300)
    settings: dict[str, Any] = {"tokenizer": tmp_path / "tokenizer", "sequence_length": 32}
    prepcore.pack(tmp_path / "raw.parquet", out=tmp_path / "of-file", **settings)
    for number, source in enumerate((frame, frame.lazy())):
        out = tmp_path / "new" / f"of-frame-{number}"
        manifest = source.prep.pack(out=out, **settings)
        assert manifest["counts"]["documents"] == 500
        tokens = (tmp_path / "of-file" / "tokens-00000.ds").read_bytes()
        assert (out / "tokens-00000.ds").read_bytes() == tokens
        assert [path.name for path in out.parent.iterdir() if path.name.startswith(".")] == []
