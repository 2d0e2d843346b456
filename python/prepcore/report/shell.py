"""The shell of a page: one file without scripts, fonts or anything else that would be fetched."""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path

from prepcore.arguments import UsageError
from prepcore.report.inert import inert

STYLE = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
"""What the pages of this project look like, by day and by night, on narrow screens and wide ones."""


def document(title: str, body: str, *, style: str = STYLE) -> str:
    """Put the body of a page into its shell.

    The page's own style is allowed by its hash, and nothing else is: what other people's text might have
    smuggled in would still be inert.

    Parameters
    ----------
    title
        Any text.
    body
        HTML in which other people's text was made inert.
    style
        CSS; no element has a style of its own, for the page allows none.
    """
    allowed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{allowed}'; base-uri 'none'; form-action 'none'"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{inert(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def write_whole(text: str, path: Path) -> None:
    """Write a page or another text, whole or not at all."""
    # Several processes may do so at once.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        # Text of other people: what is no UTF-8 was replaced by `inert`.
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)  # noqa: PTH105 - over what is there, also where that is another's file
    finally:
        temporary.unlink(missing_ok=True)


def write_asked(text: str, path: Path) -> None:
    """Write a page to where ``--page`` says, in a folder that is made if need be.

    Raises
    ------
    UsageError
        When it cannot be written there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(text, path)
    except OSError as error:
        raise UsageError(f"--page {path} cannot be written: {error}", "choose another place") from error
