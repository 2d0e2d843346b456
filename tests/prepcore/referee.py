"""Rules 1 to 4 once more, slowly and by other means: regular expressions and sorted lists."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator


def reason(text: str) -> str | None:
    """Why rules 1 to 3 drop a text, with the default thresholds."""
    lengths = sorted((len(line) for line in re.split("\n", text)), reverse=True)
    if len(lengths) < 3:
        return "few_lines"
    if lengths[2] < 3:
        return "short_lines"
    counts = Counter(re.split("\n\n+", text.strip()))
    repeats = sum(count - 1 for count in counts.values())
    if repeats / sum(counts.values()) > 0.3:
        return "repeated_paragraphs"
    if sum((count - 1) * len(paragraph) for paragraph, count in counts.items()) / len(text) > 0.2:
        return "repeated_chars"
    return None


def reasons(texts: Iterable[str]) -> Iterator[str | None]:
    """The same with duplicates: the first of equal texts that pass stays."""
    passed: list[str] = []
    for text in texts:
        why = reason(text)
        if why is None and text in passed:
            why = "duplicate"
        if why is None:
            passed.append(text)
        yield why
