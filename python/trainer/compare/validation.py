"""Which losses may be compared: they are of the same text, in the same tokens, in the same rows.

Perplexity and loss are per token, and need all of that. Bits a byte may have other tokens, for a byte is a
byte whatever the tokenizer. A text that was cut into rows of another length is predicted from another
context, and that is not the same question.

That two texts are the same is known from the checksums of their tokens; between tokenizers, and where the
token folders are gone, it is taken from their documents, bytes and rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prepcore import engine
from prepcore.arguments import UsageError
from prepcore.mixture.recipe import Recipe
from trainer.report.facts import RunFacts
from trainer.run_folder import RunFolder
from trainer.tokenizer import DEFINITION

Data = Sequence[tuple[str, Mapping[str, Any], float | None]]
"""Manifests of token folders by name, with shares, as :func:`trainer.report.data.data_of` finds them."""

YES, BITS, NO, UNKNOWN = "yes", "bits a byte", "no", "not known"
"""What is comparable of two runs: everything, bits a byte alone, nothing, or nobody can say."""


@dataclass(frozen=True)
class HeldOut:
    """What the validation of a run was measured on, as far as its files tell.

    Attributes
    ----------
    tokenizer
        Checksum of the tokenizer's file; None where none is there.
    rows, length, tokens_per_byte
        Rows held out, tokens in each, tokens a byte of their text; None where ``run.json`` does not say.
    limit
        ``trainer.limit-val-batches``.
    shares
        By which the losses of the sources of a mixture are weighed.
    text
        Documents and bytes by source; None where the token folders are gone.
    checksums
        Of the files of tokens; None likewise, and where the folders have none.
    """

    tokenizer: str | None
    rows: int | None
    length: int | None
    tokens_per_byte: float | None
    limit: int | None
    shares: tuple[float, ...]
    text: Sequence[tuple[Any, ...]] | None
    checksums: Sequence[str] | None

    @classmethod
    def of(cls, facts: RunFacts, data: Data, checkpoint: Path | None) -> HeldOut:
        """Read what there is of a run, of its data, and of a checkpoint that has its tokenizer."""
        about = facts.about
        limit = next((s.value for s in facts.settings if s.name == "trainer.limit-val-batches"), None)
        splits = [manifest.get("validation") or {} for _, manifest, _ in data]
        splits = [split for split in splits if split.get("documents")]
        files = [file.get("checksum") for split in splits for file in split.get("files", [])]
        return cls(
            tokenizer=tokenizer_of(checkpoint, data),
            rows=about.get("validation_rows") or None,
            length=about.get("sequence_length"),
            tokens_per_byte=about.get("tokens_per_byte"),
            limit=limit,
            shares=_shares(RunFolder(facts.path)),
            text=[(split["documents"], split.get("bytes")) for split in splits] or None,
            checksums=files if files and all(files) else None,
        )

    def comparable(self, other: HeldOut) -> tuple[str, str]:
        """Say what is comparable with another, and why not everything is."""
        if self.rows is None or other.rows is None:
            return UNKNOWN, "run.json does not say what was held out"
        if self.length != other.length:
            return NO, f"rows of {other.length:,} tokens, not of {self.length:,}"
        if self.limit != other.limit:
            return NO, f"trainer.limit-val-batches {other.limit or 'none'}, not {self.limit or 'none'}"
        if self.shares != other.shares:
            return NO, "another mixture"
        if self.checksums is not None and self.checksums == other.checksums:
            return YES, ""
        if self.tokenizer is None or other.tokenizer is None:
            return UNKNOWN, f"no {DEFINITION}"
        if self.tokenizer == other.tokenizer:
            same = (self.rows, self.tokens_per_byte) == (other.rows, other.tokens_per_byte)
            if same and self.checksums is not None and other.checksums is not None:
                same = self.checksums == other.checksums
            return (YES, "") if same else (NO, "another text")
        if self.text is None or other.text is None:
            return UNKNOWN, "another tokenizer, and the token folders are not there"
        if self.text != other.text:
            return NO, "another text"
        if self.limit is not None:
            return NO, "another tokenizer, with which trainer.limit-val-batches takes another text"
        return BITS, "another tokenizer"


def tokenizer_of(checkpoint: Path | None, data: Data) -> str | None:
    """Return the checksum of the tokenizer of a checkpoint, or else of the data; None where none is there."""
    if checkpoint is not None and (checkpoint / DEFINITION).is_file():
        return engine.core().checksum_of(str(checkpoint / DEFINITION))
    stated = {(manifest.get("tokenizer") or {}).get("fingerprint") for _, manifest, _ in data}
    return stated.pop() if len(stated) == 1 else None


def _shares(run: RunFolder) -> tuple[float, ...]:
    """Return the shares by which the losses of the sources of a mixture are weighed; empty for one folder."""
    if not run.mixture.is_file():
        return ()
    try:
        recipe = Recipe.read(run.mixture)
    except UsageError:
        return ()
    return tuple(weight / recipe.lap for weight in recipe.weights)
