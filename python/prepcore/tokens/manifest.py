"""The manifest of a token folder, read with plain answers to what may be wrong with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from prepcore.arguments import UsageError

FORMAT = "prepcore.tokens"
"""The ``format`` of the manifests that are read here."""

FORMAT_VERSION = 1
MANIFEST = "manifest.json"

_PACK = "make a token folder with `prepcore pack … --tokenizer DIR --out DIR`"


def read_manifest(path: Path) -> dict[str, Any]:
    """Read the manifest of a token folder.

    Raises
    ------
    UsageError
        When there is no folder, no manifest, or one of something else.
    """
    manifest_path = path / MANIFEST
    if not path.is_dir():
        raise UsageError(f"there is no folder {path} to read tokens from", hint=_PACK)
    try:
        manifest: dict[str, Any] = json.loads(manifest_path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if (path / ".unfinished").is_dir():
            raise UsageError(
                f"{path} holds a run that is not finished",
                hint="give the same command again: it goes on where it was",
            ) from None
        raise UsageError(f"{path} is not a token folder: it has no manifest.json", hint=_PACK) from None
    except ValueError as error:
        raise UsageError(f"{manifest_path} is not JSON: {error}", hint=_PACK) from error
    found = manifest.get("format") if isinstance(manifest, dict) else None
    if found != FORMAT:
        raise UsageError(f"{manifest_path} states the format {found!r}, wanted {FORMAT!r}", hint=_PACK)
    if manifest.get("format_version") != FORMAT_VERSION:
        raise UsageError(
            f"{manifest_path} has format version {manifest.get('format_version')}, "
            f"this version reads {FORMAT_VERSION}",
            hint="pack the documents again with the `prepcore` of this version",
        )
    return manifest


def is_token_folder(path: Path | str) -> bool:
    """Whether a folder's manifest says that it is a token folder, of whatever version."""
    return _stated(Path(path)).get("format") == FORMAT


def has_cleaning(path: Path | str) -> bool:
    """Whether a token folder was made in one pass with the cleaning, whose ledger it then holds."""
    return bool(_stated(Path(path)).get("cleaning"))


def _stated(path: Path) -> dict[str, Any]:
    """Return what a folder's manifest holds; nothing where there is none."""
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) else {}
