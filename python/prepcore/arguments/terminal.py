"""What is printed of other people's names and texts must not steer the terminal."""

from __future__ import annotations

import re

_STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and line feed
    "\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks that turn the direction of what follows
    "\ud800-\udfff]"  # what stands for bytes of a name that are not UTF-8, which no stream takes
)


def printable(text: str) -> str:
    r"""Write characters that steer a terminal as ``\u001b``, which JSON reads back as the same.

    Examples
    --------
    >>> printable("a \x1b[31mred\x1b[0m name")
    'a \\u001b[31mred\\u001b[0m name'
    """
    return _STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
