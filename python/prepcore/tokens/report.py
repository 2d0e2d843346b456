"""`prepcore report` of a token folder: what lies in it, in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prepcore.report.table import Table
from prepcore.tokens.folder import Tokens

MOST_SOURCES, MOST_TOKENS, BAR = 10, 10, 30
"""Lines of sources and of tokens, and characters of the longest bar, that a screen shows."""


def gathered(tokens: Tokens) -> dict[str, Any]:
    """Return what is reported: how the folder was packed, and its statistics."""
    keys = ("program", "tokenizer", "special", "encoder", "dtype", "sequence_length", "packing", "counts")
    stated = {key: tokens.manifest.get(key) for key in keys}
    splits = {"train": tokens.manifest, "validation": tokens.manifest["validation"]}
    ledgers = {
        name: {key: split.get(key) for key in ("documents", "tokens", "rows", "bytes", "left_over")}
        for name, split in splits.items()
        if split
    }
    return {"folder": str(tokens.path), **stated, "splits": ledgers, "statistics": tokens.statistics}


def tables(facts: Mapping[str, Any]) -> list[Table]:
    """Lay out what `gathered` returns."""
    statistics = {name: found for name, found in facts["statistics"].items() if found}
    names = list(statistics)
    rows = [(label, *(cells(statistics[name]) for name in names)) for label, cells in _FIGURES]
    head = f"{facts['folder']}: {facts['packing']} rows of {facts['sequence_length']:,} tokens"
    made = [Table(head, ("", *names), rows)]
    for name, found in statistics.items():
        made += _of_split(name, found)
    return made


def _of_split(name: str, found: Mapping[str, Any]) -> list[Table]:
    made = []
    lengths = found["document_lengths"]
    if lengths:
        most = max(bar["documents"] for bar in lengths["histogram"])
        bars = [
            (
                f"{bar['from']:,} to {bar['to']:,}",
                f"{bar['documents']:,}",
                "▇" * -(-bar["documents"] * BAR // most),
            )
            for bar in lengths["histogram"]
        ]
        made.append(Table(f"{name}: documents by length in tokens", ("", "", ""), bars, texts=(2,)))
    sources = [
        (entry["source"], f"{entry['documents']:,}", f"{entry['tokens']:,}", _share(entry["tokens"], found))
        for entry in found["sources"][:MOST_SOURCES]
    ]
    rest = [*found["sources"][MOST_SOURCES:], *([found["other_sources"]] if found["other_sources"] else [])]
    if rest:
        count = sum(int(entry.get("sources", 1)) for entry in rest)
        documents, tokens = (sum(entry[key] for entry in rest) for key in ("documents", "tokens"))
        sources.append((f"{count:,} others", f"{documents:,}", f"{tokens:,}", _share(tokens, found)))
    if sources:
        headers = ("source", "documents", "tokens", "share")
        made.append(Table(f"{name}: tokens by source", headers, sources))
    tops = [
        (str(top["token"]), str(top["id"]), f"{top['count']:,}", _share(top["count"], found))
        for top in found["top_tokens"][:MOST_TOKENS]
    ]
    if tops:
        made.append(Table(f"{name}: tokens that occur most", ("token", "id", "times", "share"), tops))
    return made


def _share(count: int | None, found: Mapping[str, Any]) -> str:
    if count is None:
        return "none such"
    return f"{count / found['tokens']:.3%}" if found["tokens"] else "-"


def _length(key: str) -> Any:
    def cell(found: Mapping[str, Any]) -> str:
        lengths = found["document_lengths"]
        if not lengths:
            return "-"
        value = lengths["quantiles"][key] if key in lengths["quantiles"] else lengths[key]
        return f"{value:,.1f}" if key == "mean" else f"{value:,}"

    return cell


def _tokens_per_byte(found: Mapping[str, Any]) -> str:
    value = found["tokens_per_byte"]
    return "-" if value is None else f"{value:.4f}"


_FIGURES: tuple[tuple[str, Any], ...] = (
    ("documents", lambda found: f"{found['documents']:,}"),
    ("tokens", lambda found: f"{found['tokens']:,}"),
    ("tokens a byte", _tokens_per_byte),
    ("ids that occur", lambda found: f"{found['distinct_tokens']:,}"),
    ("unknown tokens", lambda found: _share(found["unknown_tokens"], found)),
    ("byte-fallback tokens", lambda found: _share(found["byte_fallback_tokens"], found)),
    ("tokens a document: shortest", _length("min")),
    ("  1 %", _length("1")),
    ("  10 %", _length("10")),
    ("  median", _length("50")),
    ("  mean", _length("mean")),
    ("  90 %", _length("90")),
    ("  99 %", _length("99")),
    ("  longest", _length("max")),
)
