"""The rules: frozen dataclasses that mirror the engine's own, one a rule, with their thresholds.

What each measures, why, and where its defaults come from stands with the rule itself in the engine;
``prepcore rules`` prints it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from prepcore.arguments import option, parse_list, parse_share


@dataclass(frozen=True)
class Unicode:
    """rule unicode (rewrites): one form for equal characters, no control characters."""

    form: Literal["keep", "nfc", "nfkc"] = option("nfc", "normalization form")
    control: Literal["keep", "remove"] = option(
        "remove", "control characters other than tab, line feed and carriage return"
    )


@dataclass(frozen=True)
class Redact:
    """rule redact (rewrites): personal data and secrets become placeholders."""

    email: bool = option(True, "e-mail addresses")
    ip: bool = option(True, "IPv4 and IPv6 addresses")
    telephone: bool = option(True, "telephone numbers")
    card: bool = option(True, "numbers of payment cards whose checksum is right")
    iban: bool = option(True, "international bank account numbers whose checksum is right")
    secret: bool = option(True, "keys and tokens of well-known shapes")


@dataclass(frozen=True)
class ShortLines:
    """rule short_lines: a document needs so many lines of some length."""

    min_lines: int = option(3, "fewest lines of a document", minimum=1)
    min_line_chars: int = option(3, "characters that so many of its lines need", minimum=0)


@dataclass(frozen=True)
class Repetition:
    """rule repetition: a document must not repeat its paragraphs."""

    max_repeated_paragraphs: float = option(
        0.3, "largest share of paragraphs that are repeats", metavar="SHARE", parse=parse_share
    )
    max_repeated_chars: float = option(
        0.2, "largest share of characters that stand in repeats", metavar="SHARE", parse=parse_share
    )


@dataclass(frozen=True)
class Length:
    """rule length: a document has so many characters and words."""

    min_chars: int | None = option(None, "fewest characters", minimum=0)
    max_chars: int | None = option(None, "most characters", minimum=0)
    min_words: int | None = option(None, "fewest words, as white space cuts them", minimum=0)
    max_words: int | None = option(None, "most words", minimum=0)


@dataclass(frozen=True)
class Words:
    """rule words: a document holds few words of a list."""

    file: str = option("", "the list: a word or phrase a line", metavar="FILE")
    max_count: int | None = option(
        None, "most occurrences in a document; 0 where no bound is given", minimum=0
    )
    max_share: float | None = option(
        None, "largest share of a document's words", metavar="SHARE", parse=parse_share
    )
    ignore_case: bool = option(True, "whether upper and lower case are the same")


Rule = Unicode | Redact | ShortLines | Repetition | Length | Words
"""Any rule."""


@dataclass(frozen=True)
class Rules:
    """The rules of a run: those that rewrite a document, then those that judge it, each in its order."""

    order: list[str] = option(
        [], "rules that come first in their phase, in this order", metavar="A,B", parse=parse_list
    )
    unicode: Unicode | Literal["off"] = "off"
    redact: Redact | Literal["off"] = "off"
    short_lines: ShortLines | Literal["off"] = field(default_factory=ShortLines)
    repetition: Repetition | Literal["off"] = field(default_factory=Repetition)
    length: Length | Literal["off"] = "off"
    words: Words | Literal["off"] = "off"


def chosen(rules: Rules | Sequence[Rule | str]) -> Rules:
    """Make a choice of rules out of a list.

    Parameters
    ----------
    rules
        Rules with their thresholds, or names of rules for their defaults: exactly these are on, and within
        their phase they come in this order. A `Rules` is returned as it is.

    Raises
    ------
    ValueError
        For a name that no rule has, or a rule that is named twice.
    """
    if isinstance(rules, Rules):
        return rules
    kinds: dict[str, type[Rule]] = {
        "unicode": Unicode,
        "redact": Redact,
        "short_lines": ShortLines,
        "repetition": Repetition,
        "length": Length,
        "words": Words,
    }
    names = {kind: name for name, kind in kinds.items()}
    made: dict[str, Any] = {}
    for rule in rules:
        name = rule if isinstance(rule, str) else names.get(type(rule), "")
        if name not in kinds:
            raise ValueError(f"{rule!r} is no rule; there are {', '.join(kinds)}")
        if name in made:
            raise ValueError(f"the rule {name} is named twice")
        made[name] = kinds[name]() if isinstance(rule, str) else rule
    return dataclasses.replace(
        Rules(**dict.fromkeys(kinds, "off")),  # type: ignore[arg-type]  # every field of these takes "off"
        order=list(made),
        **made,
    )
