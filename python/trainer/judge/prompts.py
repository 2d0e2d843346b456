"""The prompts of a comparison, without torch."""

from __future__ import annotations

from pathlib import Path

from prepcore.arguments import UsageError
from trainer.evaluate.records import read_records, read_text


def read_prompts(path: Path, limit: int | None = None) -> tuple[list[str], int]:
    """Read prompts from a text file, one a line, or from JSON lines or CSV with ``prompt``.

    Returns
    -------
    tuple
        The prompts, each once, and how many stood there again.

    Raises
    ------
    UsageError
        When there is none, or a record has none.
    """
    if path.suffix.lower() in (".jsonl", ".json", ".csv", ".tsv"):
        found = [record.text("prompt") for record in read_records(path, "prompts")]
    else:
        found = [line.rstrip("\r") for line in read_text(path, "prompts").split("\n")]
    found = [prompt for prompt in found if prompt.strip()]
    if not found:
        raise UsageError(f"--prompts {path} has no prompt", "wanted one a line")
    once = list(dict.fromkeys(found))
    return once[:limit], len(found) - len(once)
