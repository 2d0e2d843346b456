"""The rules against an independent slow implementation, on texts made to be awkward."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

import prepcore

from .referee import reason, reasons

# Python counts U+001C to U+001F as white space and Rust does not; U+0085 and U+2028 end lines for
# str.splitlines() only; combining marks make characters and code points differ.
AWKWARD = ["\n", "\n\n", "\r\n", " ", "\t", "\x1c", "\x1d\x1e", "\x1f", "\x85", "\u2028", "\xa0", "\u3000"]
AWKWARD += ["e\u0301", "\u0301", "\u200b", "한국어", "a", "ab", "abc", "abcdef", "\x00", "\U0001f600"]

pieces = st.one_of(st.sampled_from(AWKWARD), st.text(max_size=4))
free_texts = st.lists(pieces, max_size=24).map("".join)
# Paragraphs from a small choice, so that repeats near the thresholds come up.
paragraphs = st.sampled_from(
    ["abc\nabc\nabc", "a longer paragraph", "\x1c", "x", "é\u0301\u0301", "abc\r\nd"]
)
repeating_texts = st.lists(paragraphs, max_size=12).map("\n\n".join)
texts = st.one_of(free_texts, repeating_texts, st.sampled_from(["", "\n", "\n\n\n\n", "no newline"]))
corpora = st.lists(texts, max_size=30).flatmap(lambda some: st.permutations(some + some[: len(some) // 2]))


@settings(max_examples=300, deadline=None)
@given(corpora)
def test_the_engine_decides_as_the_referee(corpus: list[str]) -> None:
    frame = pl.DataFrame({"text": pl.Series(corpus, dtype=pl.String), "row": range(len(corpus))})
    cleaned = prepcore.clean(frame, threads=2)
    expected = list(reasons(corpus))
    assert cleaned.frame["row"].to_list() == [row for row, why in enumerate(expected) if why is None]
    counted = {why: count for why, count in cleaned.summary["dropped"].items() if count}
    assert counted == Counter(why for why in expected if why)


@settings(max_examples=25, deadline=None)
@given(corpora)
def test_the_ledger_names_the_reason_and_the_first_twin(corpus: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        frame = pl.DataFrame({"text": pl.Series(corpus, dtype=pl.String)})
        frame.write_parquet(folder / "raw.parquet")
        manifest = prepcore.clean(folder / "raw.parquet", out=folder / "out")
        dropped = pl.read_parquet(folder / "out/dropped/part-00000.parquet")
    expected = {row: why for row, why in enumerate(reasons(corpus)) if why}
    assert dict(zip(dropped["row"].to_list(), dropped["reason"].to_list(), strict=True)) == expected
    passed = [row for row, text in enumerate(corpus) if reason(text) is None]
    for record in dropped.filter(pl.col("reason") == "duplicate").iter_rows(named=True):
        assert record["twin_row"] == next(row for row in passed if corpus[row] == corpus[record["row"]])
    judged = dropped.filter(pl.col("reason") != "duplicate")
    missed = judged["value"] < judged["threshold"]
    low = judged["reason"].is_in(["few_lines", "short_lines"])
    assert (missed == low).all()
    counts = manifest["counts"]
    assert counts["documents"] == counts["kept"] + sum(counts["dropped"].values()) + counts["unreadable"]
    assert counts["documents"] == len(corpus)


def test_thresholds_and_switches_reach_the_engine() -> None:
    rules = prepcore.Rules
    frame = pl.DataFrame({"text": ["one line", "two\nlines", "a\n\nb\n\na", "é\né\né"]})

    def kept(**chosen: object) -> list[str]:
        return prepcore.clean(frame, rules=rules(**chosen)).frame["text"].to_list()  # type: ignore[arg-type]

    short = prepcore.ShortLines
    repetition = prepcore.Repetition
    assert kept() == []
    assert kept(short_lines="off") == ["one line", "two\nlines", "é\né\né"]
    assert kept(short_lines="off", repetition="off") == frame["text"].to_list()
    assert kept(short_lines=short(min_lines=2, min_line_chars=1)) == ["two\nlines", "é\né\né"]
    loose = repetition(max_repeated_paragraphs=0.34)
    assert kept(short_lines=short(1, 1), repetition=loose) == frame["text"].to_list()
