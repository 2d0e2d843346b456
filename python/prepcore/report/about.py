"""What rules are, in the words of the rules themselves: the command `rules` and the page `docs/rules.md`."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from prepcore.arguments import Command, UsageError, option

About = Mapping[str, str]

_WIDTH = 100


@dataclass(frozen=True, kw_only=True)
class RulesCommand:
    """Command line of `prepcore rules`."""

    names: list[str] = option([], "rules to tell of; all by default", metavar="NAME", positional=True)
    markdown: bool = option(False, "as the page of the guide, docs/rules.md")


def about_rules() -> list[About]:
    """Return each rule's ``name``, ``summary``, ``what``, ``why`` and ``default``, in the order they work."""
    from prepcore import engine

    rules: list[About] = json.loads(engine.core().about_rules())
    return rules


def rules(command: RulesCommand) -> int:
    """Run ``prepcore rules``."""
    known = {rule["name"]: rule for rule in about_rules()}
    wanted = [name.replace("-", "_") for name in command.names] or list(known)
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise UsageError(f"{unknown[0]!r} is no rule", f"there are {', '.join(known)}")
    told = [known[name] for name in wanted]
    sys.stdout.write(markdown(told) if command.markdown else text(told))
    return 0


def text(rules: Iterable[About]) -> str:
    """Lay rules out for the terminal."""
    blocks = []
    for rule in rules:
        lines = [f"{rule['name']}: {rule['summary']}"]
        for heading, key in (("what", "what"), ("why", "why"), ("default", "default")):
            lines += textwrap.wrap(
                rule[key], _WIDTH, initial_indent=f"  {heading:<9}", subsequent_indent=" " * 11
            )
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def markdown(rules: Iterable[About]) -> str:
    """Lay rules out as a page of the guide."""
    blocks = [
        "# Rules",
        "Made by `prepcore rules --markdown` from the headings of the rules themselves. Rules that\n"
        "rewrite come first, then those that judge, then exact deduplication; `language` and `classifier`\n"
        "judge what that leaves where the key is the exact text, which is the same and cheaper.",
    ]
    for rule in rules:
        blocks += [f"## {rule['name']}", f"*{rule['summary'][0].upper()}{rule['summary'][1:]}.*"]
        for heading, key in (("What", "what"), ("Why", "why"), ("Default and its source", "default")):
            blocks.append(textwrap.fill(f"**{heading}.** {rule[key]}", _WIDTH + 20, break_on_hyphens=False))
    return "\n\n".join(blocks) + "\n"


COMMAND = Command(
    name="rules",
    summary="tell what each rule measures, why, and where its default comes from",
    configuration=lambda: RulesCommand,
    run=rules,
    examples="""
  prepcore rules
  prepcore rules redact words
""",
)
