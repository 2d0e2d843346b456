"""The documents a classifier learns from: drawn by the engine, made one line each, split by their hash."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any

from prepcore import engine
from prepcore.classifier.settings import ClassifierTraining

FEWEST = 10
"""Documents of a class below which there is nothing to learn."""

_LABEL = re.compile(r"(?<!\S)__label__\S*")
"""A word of the text that fastText would take for the document's label."""


@dataclass
class Class:
    """The documents of one class, one line each.

    Attributes
    ----------
    training, held_out
        Lines to learn from and to measure with; no line is in both.
    facts
        Of the manifest: ``inputs``, and how many ``documents`` were read, ``unreadable``, ``drawn``,
        ``blank``, ``of_both_classes`` (left out of both), ``training`` and ``held_out``.
    """

    training: list[str] = field(default_factory=list)
    held_out: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


def draw(
    inputs: list[str], settings: ClassifierTraining, progress: Any = None
) -> tuple[list[str], dict[str, Any]]:
    """Draw different documents evenly and return them as lines, with what was read.

    The order is random and depends on the seed and the documents alone.
    """
    configuration = {
        "text_column": settings.text_column,
        "documents": settings.sample,
        "seed": settings.seed,
        "memory": settings.memory,
    }
    texts, facts = engine.core().draw(json.dumps(configuration), inputs, progress)
    # Texts that differ in line ends alone are one line.
    lines = list(dict.fromkeys(line for text in texts if (line := line_of(text)).strip()))
    return lines, {**json.loads(facts), "blank": len(texts) - len(lines)}


def line_of(text: str) -> str:
    r"""Return a text as fastText is shown it, here and by ``prepcore clean``: a line feed is a space.

    Examples
    --------
    >>> line_of("first line\nsecond __label__good line")
    'first line second  line'
    """
    return _LABEL.sub("", text.replace("\n", " "))


def split(good: list[str], bad: list[str], share: float) -> tuple[Class, Class]:
    """Split the lines of both classes into those to learn from and those to measure with.

    Held out are the `share` of each class whose hashes are the smallest, at least one: a line that is drawn
    again, with other inputs or another seed, tends to be on the same side. Lines that both classes have say
    nothing about either and are left out.
    """
    both = set(good) & set(bad)
    return _split([line for line in good if line not in both], len(both), share), _split(
        [line for line in bad if line not in both], len(both), share
    )


def _split(lines: list[str], of_both: int, share: float) -> Class:
    count = min(len(lines), max(1, round(share * len(lines)))) if share else 0
    held_out = set(sorted(lines, key=_hash)[:count])
    training = [line for line in lines if line not in held_out]
    measured = [line for line in lines if line in held_out]
    facts = {"of_both_classes": of_both, "training": len(training), "held_out": len(measured)}
    return Class(training, measured, facts)


def _hash(line: str) -> bytes:
    return hashlib.blake2b(line.encode(), digest_size=16).digest()
