"""The command line of `prepcore mix`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prepcore.arguments import Command, UsageError, option, parse_count, printable


def parse_sources(value: Any) -> list[str]:
    """Check one source as it is written on the command line, or a list of them.

    Raises
    ------
    ValueError
        When one is not ``NAME=DIR:WEIGHT``.
    """
    from prepcore.mixture.build import parse_source

    written = [value] if isinstance(value, str) else value
    if not isinstance(written, list):
        raise ValueError(f"{value!r} is not a list of NAME=DIR:WEIGHT")
    for text in written:
        parse_source(str(text))
    return [str(text) for text in written]


@dataclass(frozen=True, kw_only=True)
class MixCommand:
    """Command line of `prepcore mix`."""

    source: list[str] = option(
        help="name, token folder and weight of a source, such as web=tokens/web:70%; weights are shares of "
        "the tokens, in any unit",
        metavar="NAME=DIR:WEIGHT…",
        parse=parse_sources,
        repeated=True,
    )
    tokens: int = option(
        help="tokens of the whole mixture, such as 300M or 5B", metavar="N", parse=parse_count
    )
    out: str = option(help="file to write the recipe to", metavar="FILE")
    sequence_length: int | None = option(
        None, "tokens in a row (what the folders were packed for)", minimum=2
    )
    quiet: bool = option(False, "no table and no warnings, only errors")
    json: bool = option(False, "print the recipe on standard output")


def run(command: MixCommand) -> int:
    """Run ``prepcore mix``."""
    from prepcore.mixture.build import mix, parse_source
    from prepcore.report.table import plain

    sources = {}
    for text in command.source:
        name, path, weight = parse_source(text)
        if name in sources:
            raise UsageError(f"--source: two sources are called {name}", "give each a name of its own")
        sources[name] = (path, weight)
    recipe = mix(sources, tokens=command.tokens, out=command.out, sequence_length=command.sequence_length)
    if command.json:
        sys.stdout.write(printable(json.dumps(recipe, ensure_ascii=False)) + "\n")
    if not command.quiet:
        # The table is for people: it moves aside where the recipe is the answer.
        (sys.stderr if command.json else sys.stdout).write(printable(plain(table(recipe, command.out))))
        for warning in recipe["warnings"]:
            sys.stderr.write(printable(f"prepcore: warning: {warning}\n"))
    return 0


def table(recipe: Mapping[str, Any], out: str) -> Any:
    """Lay a recipe out: a line a source, and one for all."""
    from prepcore.report.table import Table

    rows = [
        (
            source["name"],
            f"{source['share']:.4%}" if source["share"] < 0.001 else f"{source['share']:.1%}",
            f"{source['tokens']:,}",
            f"{source['available_tokens']:,}",
            f"{source['epochs']:.2f}",
        )
        for source in recipe["sources"]
    ]
    available = sum(source["available_tokens"] for source in recipe["sources"])
    rows.append(("all", "100.0%", f"{recipe['tokens']:,}", f"{available:,}", ""))
    title = f"{recipe['rows']:,} rows of {recipe['sequence_length']:,} tokens: {out}"
    return Table(title, ("source", "share", "tokens wanted", "tokens there", "epochs"), rows)


COMMANDS = (
    Command(
        name="mix",
        summary="write the recipe of a mixture of token folders, which the trainer reads",
        description="Name token folders and the share of the tokens that each is to have. The recipe says\n"
        "how many rows of each that makes and how often they come; the trainer keeps every folder\n"
        "within one row of its share at every moment.",
        configuration=lambda: MixCommand,
        run=run,
        examples="""
  prepcore mix --source web=tokens/web:70% code=tokens/code:30% --tokens 5B --out recipe.json
  python -m trainer fit --config tinysolar-248m --data.path recipe.json
""",
    ),
)
"""What `prepcore.cli` adds to its own commands."""
