"""Tokenizers and odd texts for the fuzzer of encoders to begin with: `python -m fuzz.encoders FOLDER`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.conformance.hostile import hostile, long_texts
from tests.conformance.trained import TRAINED


def main(folder: Path) -> None:
    """Write `tokenizers/`, which the target reads, and `corpus/encode/`."""
    tokenizers, corpus = folder / "tokenizers", folder / "corpus/encode"
    for place in (tokenizers, corpus):
        place.mkdir(parents=True, exist_ok=True)
    number = 0
    for encoder, make in TRAINED.values():
        if encoder != "reference":
            make().save(str(tokenizers / f"{number}.json"))
            number += 1
    shared = Path(os.environ.get("PREPCORE_SHARED", "../shared"))
    for real in sorted(shared.glob("data/tokenizers/*/tokenizer.json")):
        # A link, as real tokenizers are never copied into the project.
        link = tokenizers / f"{number}.json"
        link.unlink(missing_ok=True)
        link.symlink_to(real.resolve())
        number += 1
    # The first byte says which tokenizer, and what becomes of special tokens.
    for place, text in enumerate([*hostile(4_000, 9), *long_texts(2_000)]):
        (corpus / f"seed-{place}").write_bytes(bytes([place % (2 * number)]) + text.encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
