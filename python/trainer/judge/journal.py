"""Files of JSON lines that grow as work is done and survive being killed at any moment; without torch."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prepcore.arguments import UsageError
from prepcore.report.shell import write_whole


def read_journal(path: Path) -> list[dict[str, Any]]:
    """Read what is whole; a last line without its end is cut off, for whoever wrote it was killed.

    Raises
    ------
    UsageError
        When another line is no JSON object: then somebody else wrote it.
    """
    if not path.exists():
        return []
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        os.truncate(path, whole)
    records = []
    for number, line in enumerate(data[:whole].split(b"\n")[:-1], start=1):
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if not isinstance(record, dict):
            raise UsageError(f"{path}, line {number} is no JSON object", "remove the line, or the folder")
        records.append(record)
    return records


def append(path: Path, record: Mapping[str, Any]) -> None:
    """Add a line, which is on its way to the disk when this returns."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record, ensure_ascii=False) + "\n")


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file, whole or not at all."""
    write_whole(json.dumps(value, indent=2, ensure_ascii=False) + "\n", path)
