"""The command that converts token files: `convert`."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Any, Literal

from prepcore.arguments import Command, UsageError, option, printable


@dataclass(frozen=True, kw_only=True)
class ConvertCommand:
    """Command line of `prepcore convert`."""

    source: list[str] = option(
        help="token folder, datatrove's .ds files, Megatron-LM's .bin and .idx, Parquet with a column of\n"
        "lists input_ids, or a folder of Hugging Face datasets",
        metavar="IN",
        positional=True,
    )
    out: str = option(help="folder to write, new or empty", metavar="DIR")
    format: Literal["tokens", "megatron", "parquet"] = option(
        "tokens", "token folder (datatrove and nanotron read it too), .bin and .idx, or rows as lists"
    )
    tokenizer: str | None = option(
        None, "tokenizer of ids that came without one", metavar="FILE_OR_DIR", parse=str
    )
    sequence_length: int | None = option(None, "tokens a row; those of the input by default", minimum=2)
    json: bool = option(False, "print what was written as one JSON document on standard output")


def convert(command: ConvertCommand) -> int:
    """Run ``prepcore convert``."""
    from prepcore.formats.run import convert as run

    if len(command.source) != 1:
        raise UsageError(f"{len(command.source)} inputs were named, and one is wanted")
    written = run(
        command.source[0],
        out=command.out,
        format=command.format,
        tokenizer=command.tokenizer,
        sequence_length=command.sequence_length,
    )
    if command.json:
        sys.stdout.write(printable(json.dumps(written, ensure_ascii=False)) + "\n")
        return 0
    splits = (
        {"train": written, "validation": written["validation"]} if command.format == "tokens" else written
    )
    for name, split in splits.items():
        if split:
            sys.stdout.write(printable(_told(name, split)) + "\n")
    sys.stdout.write(printable(f"written: {command.out}") + "\n")
    return 0


def _told(name: str, split: dict[str, Any]) -> str:
    documents = f"{split['documents']:,} documents" if split["documents"] else "no document borders"
    rows = f", {split['rows']:,} rows" if "rows" in split else ""
    return f"{name}: {documents}, {split['tokens']:,} tokens{rows}"


COMMANDS = (
    Command(
        name="convert",
        summary="read other people's token files, or write them",
        description="Read datatrove's, Megatron-LM's and Hugging Face's token files into a token folder,\n"
        "or write a token folder as one of them. Documents, their order and ids stay as they are.",
        configuration=lambda: ConvertCommand,
        run=convert,
        examples="""
  prepcore convert nanotron/ --tokenizer tokenizer --out tokens
  prepcore convert tokens --format megatron --out megatron
  prepcore convert rows.parquet --tokenizer tokenizer/tokenizer.json --out tokens
""",
    ),
)
"""What `prepcore.cli` adds to its own commands."""
