"""What a recipe needs to know of a token folder, from its manifest alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prepcore.arguments import UsageError
from prepcore.tokens.manifest import FORMAT_VERSION, MANIFEST, read_manifest

CONCATENATE = "concatenate"


@dataclass(frozen=True)
class SourceFolder:
    """A token folder as its manifest describes it.

    Attributes
    ----------
    path
        The folder.
    manifest
        Its manifest.
    """

    path: Path
    manifest: Mapping[str, Any]

    @classmethod
    def open(cls, path: Path) -> SourceFolder:
        """Read the manifest of a folder.

        Raises
        ------
        UsageError
            When there is no token folder at the path, or it holds Parquet rows.
        """
        folder = cls(path, read_manifest(path))
        folder._check()
        return folder

    def _check(self) -> None:
        try:
            files = [file["path"] for split in self._splits() for file in split["files"]]
            _ = (self.sequence_length, self.special, self.manifest["tokens"], self.manifest["dtype"])
            _ = self.tokenizer
        except (KeyError, TypeError) as error:
            raise UsageError(
                f"{self.path / MANIFEST} lacks or misstates {error}, which a token folder of version "
                f"{FORMAT_VERSION} has",
                "pack the documents again with `prepcore pack`",
            ) from error
        if any(str(name).endswith(".parquet") for name in files):
            raise UsageError(
                f"{self.path} holds rows in Parquet, a mixture wants token files",
                "pack the documents again with `prepcore pack … --format tokens`",
            )

    @property
    def sequence_length(self) -> int:
        """Tokens in a row, as packed."""
        return int(self.manifest["sequence_length"])

    @property
    def packing(self) -> str:
        """How documents became rows."""
        return str(self.manifest.get("packing", CONCATENATE))

    @property
    def tokenizer(self) -> str | None:
        """Fingerprint of the tokenizer; None for rows that came without one."""
        tokenizer = self.manifest["tokenizer"]
        return None if tokenizer is None else str(tokenizer["fingerprint"])

    @property
    def special(self) -> dict[str, int | None]:
        """Ids that begin and end a document."""
        special = self.manifest["special"]
        return {side: special[side] and int(special[side]["id"]) for side in ("bos", "eos")}

    @property
    def held_out(self) -> float | None:
        """Share of documents held out by ``--validation``; None where the manifest does not say."""
        configuration = self.manifest.get("configuration")
        share = configuration.get("validation") if isinstance(configuration, dict) else None
        if share is not None:
            return float(share)
        return None if self.manifest["validation"] else 0.0

    def rows(self, length: int) -> int:
        """Return how many training rows of a length there are.

        Raises
        ------
        UsageError
            When the folder is packed otherwise than end to end, and for other lengths.
        """
        entry = self._row_index(self.manifest, length)
        if entry is not None:
            return int(entry["rows"])
        if self.packing == CONCATENATE:
            return int(self.manifest["tokens"]) // length
        raise UsageError(
            f"{self.path} has no rows of {length:,} tokens packed {self.packing}, but of "
            f"{self.sequence_length:,}",
            f"make them, without tokenising again: prepcore pack {self.path} --sequence-length {length}",
        )

    def fingerprint(self, length: int) -> str:
        """Return a digest of what decides which rows of a length the folder has, in both splits.

        Row indexes for other lengths, which may come and go beside the same tokens, are no part of it.
        """
        decides = {
            "dtype": self.manifest["dtype"],
            "tokenizer": self.tokenizer,
            "special": self.special,
            "packing": self.packing,
            "splits": [
                {
                    "files": [
                        [file.get(name) for name in ("path", "tokens", "documents", "checksum")]
                        for file in split["files"]
                    ],
                    "rows": (self._row_index(split, length) or {}).get("checksum"),
                }
                for split in self._splits()
            ],
        }
        return f"sha256:{hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()}"

    def _splits(self) -> list[Mapping[str, Any]]:
        held_out = self.manifest["validation"]
        return [self.manifest, held_out] if held_out else [self.manifest]

    def _row_index(self, split: Mapping[str, Any], length: int) -> Mapping[str, Any] | None:
        wanted = (length, self.packing)
        for entry in split.get("row_indexes") or ():
            if (entry["sequence_length"], entry["packing"]) == wanted:
                found: Mapping[str, Any] = entry
                return found
        return None
