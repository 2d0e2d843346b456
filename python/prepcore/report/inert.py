"""Other people's texts in a page: markup and control characters shown, and nothing of them at work."""

from __future__ import annotations

import html
import re

_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and line feed
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"  # marks that turn, join or hide what follows
    "\ud800-\udfff\ufffe\uffff]"  # what no UTF-8 or no HTML may hold
)


_CODE, _STRESS = re.compile("`([^`]+)`"), re.compile(r"(?<!\w)\*([^*\s][^*]*)\*(?!\w)")


def inert(text: object) -> str:
    r"""Escape markup, and write each control character as its number in a frame.

    Examples
    --------
    >>> inert("<b>a\x1b")
    '&lt;b&gt;a<span class="control">U+001B</span>'
    """
    escaped = html.escape(str(text), quote=True)
    return _CONTROL.sub(lambda found: f'<span class="control">U+{ord(found[0]):04X}</span>', escaped)


def prose(text: object) -> str:
    """Escape a sentence of ours in which names stand between backticks and stressed words between stars.

    Examples
    --------
    >>> prose("split at `<br>`; a *repeat*")
    'split at <code>&lt;br&gt;</code>; a <em>repeat</em>'
    """
    return _STRESS.sub(r"<em>\1</em>", _CODE.sub(r"<code>\1</code>", inert(text)))
