"""The end of a run on the terminal: what was read, what became of it, where it lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def clean_summary(manifest: Mapping[str, Any], out: str) -> str:
    """Lay out what became of the documents, a line a reason with its share of all."""
    counts = manifest["counts"]
    read = counts["documents"]
    dropped = counts["dropped"]
    order = [check["reason"] for check in manifest["checks"]]
    rows = [("read", read, counts["text_bytes"])]
    rows += [(f"  dropped: {reason}", dropped[reason], None) for reason in order if dropped[reason]]
    if counts["unreadable"]:
        rows.append(("  unreadable", counts["unreadable"], None))
    rows.append(("kept", counts["kept"], counts["kept_text_bytes"]))
    cells = [
        (label, f"{count:,}", _share(count, read), "" if size is None else f"{_size(size)} of text")
        for label, count, size in rows
    ]
    lines = _table([("documents", "", "", ""), *cells])
    lines.append(f"kept documents: {out} ({_files(len(manifest['parts']), 'part')})")
    if sum(dropped.values()):
        lines.append(f"why each of the others went: {out}/dropped")
    return "\n".join(lines) + "\n"


def waiting_summary(waiting: Mapping[str, Any]) -> str:
    """Say what a shard has done, and what it waits for."""
    pieces = "key ranges" if waiting["step"] == "resolve" else "parts"
    lines = [
        f"shard {waiting['shard']} has done what it can; step {waiting['step']!r}: "
        f"{waiting['done']:,} of {waiting['of']:,} {pieces}"
    ]
    if waiting["shards"]:
        lines.append(f"still to come: shards {', '.join(map(str, waiting['shards']))}")
    lines.append("give the same command again once every shard is this far")
    return "\n".join(lines) + "\n"


def pack_summary(manifest: Mapping[str, Any], out: str) -> str:
    """Lay out the tokens of both halves, in rows and left over, and say which encoder ran and why."""
    held_out = manifest.get("validation")
    rows: list[tuple[str, ...]] = [("", "documents", "tokens", "rows", "left over", "tokens/byte")]
    rows.append(_split_row("training", manifest))
    if held_out:
        rows.append(_split_row("validation", held_out))
    lines = _table(rows)
    lines.append("encoder: {name} ({proof})".format_map(manifest["encoder"]))
    length = manifest["sequence_length"]
    lines.append(f"rows of {length:,} tokens: {out}")
    return "\n".join(lines) + "\n"


def tokenizer_summary(manifest: Mapping[str, Any], out: str) -> str:
    """Say how large the vocabulary is and what it was learned from."""
    size = manifest["vocabulary_size"]
    learned = f"{manifest['documents']:,} documents, {_size(manifest['text_bytes'])} of text"
    return f"vocabulary of {size:,} entries, learned from {learned}\ntokenizer: {out}\n"


def plan_summary(plan: Mapping[str, Any], out: str) -> str:
    """Lay out what a run would read and write."""
    free = "unknown" if plan["free_bytes"] is None else _size(plan["free_bytes"])
    holds = "" if plan["output_holds"] == "nothing" else f" (holds {plan['output_holds']})"
    cells = [
        ("input", f"{_files(plan['files'], 'file')} of {plan['kind']}, {_size(plan['bytes'])}"),
        ("pieces", f"{_files(plan['segments'], 'segment')} in {_files(plan['parts'], 'part')}"),
        ("output", f"{out}{holds}, about {_size(plan['output_bytes'])}; {free} free"),
    ]
    lines = [f"{label:<8}{value}" for label, value in cells]
    return "\n".join([*lines, *plan["notes"], "nothing was written (--dry-run)"]) + "\n"


def _split_row(label: str, split: Mapping[str, Any]) -> tuple[str, ...]:
    left_over = sum(split["left_over"].values())
    tokens_a_byte = split["tokens"] / split["bytes"] if split["bytes"] else 0.0
    numbers = (split["documents"], split["tokens"], split["rows"], left_over)
    return (label, *(f"{number:,}" for number in numbers), f"{tokens_a_byte:.3f}")


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Align columns: the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])] + [
            cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def _share(count: int, whole: int) -> str:
    return f"{count / whole:.1%}" if whole else "-"


def _size(count: int) -> str:
    """Write a number of bytes in decimal units, as disks are sold."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= factor:
            return f"{count / factor:,.1f} {unit}"
    return f"{count:,} bytes"


def _files(count: int, word: str) -> str:
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"
