"""Prompts to continue, from a file; read before torch is imported."""

from __future__ import annotations

from pathlib import Path

from prepcore.arguments import UsageError

RECORDS = (".csv", ".json", ".jsonl", ".tsv")
"""Endings of files whose lines are no prompts."""


def read_prompts(path: str) -> list[str]:
    """Read prompts, one a line; empty lines are skipped.

    Raises
    ------
    UsageError
        When the file cannot be read or holds none.
    """
    if Path(path).suffix.lower() in RECORDS:
        raise UsageError(
            f"--prompts {path} is no plain text by its name", "wanted a text file in UTF-8, a prompt a line"
        )
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"--prompts {path} cannot be read: {error}", "wanted a text file in UTF-8, a prompt a line"
        ) from error
    prompts = [line for line in lines if line.strip()]
    if not prompts:
        raise UsageError(f"--prompts {path} has no prompt", "wanted one a line")
    return prompts
