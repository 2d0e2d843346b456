"""Token ids of texts, by the encoder that `pack` uses."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from prepcore import engine

if TYPE_CHECKING:
    import polars as pl


class Encoder:
    """A tokenizer's encoder: the ids of the ``tokenizers`` library, many times as fast where that is proven.

    Nothing is put before or after a text. Truncation and padding that a file may ask for are off. Calls
    release Python's lock, so that several threads can encode with one encoder.

    Parameters
    ----------
    path
        A ``tokenizer.json``, or a folder that holds one.
    special_tokens
        What becomes of a special token's text inside a document: ``"text"`` leaves it the text that it is;
        ``"parse"`` makes it the token, as the library does unless ``encode_special_tokens`` is set.

    Raises
    ------
    InputError
        When the path holds no tokenizer that the library knows, or one whose ids are random.

    Examples
    --------
    >>> encoder = Encoder("gpt2/tokenizer.json")  # doctest: +SKIP
    >>> encoder.name  # doctest: +SKIP
    'byte-level-bpe'
    >>> encoder.encode(["Hello, world", None]).to_list()  # doctest: +SKIP
    [[15496, 11, 995], None]
    """

    def __init__(self, path: str | os.PathLike[str], special_tokens: str = "text") -> None:
        if special_tokens not in ("text", "parse"):
            raise ValueError(f"special_tokens: got {special_tokens!r}, expected 'text' or 'parse'")
        self._encoder = engine.core().Encoder(os.fspath(path), json.dumps(special_tokens))

    @property
    def name(self) -> str:
        """The encoder that was chosen: ``"reference"`` is the library itself."""
        name: str = self._encoder.name
        return name

    @property
    def proof(self) -> str:
        """Why its ids can be trusted; for the reference, why no fast encoder runs in its place."""
        proof: str = self._encoder.proof
        return proof

    @property
    def vocabulary_size(self) -> int:
        """The largest id plus one, added tokens included."""
        size: int = self._encoder.vocabulary_size
        return size

    def encode(self, texts: pl.Series | list[str] | list[str | None]) -> pl.Series:
        """Return the ids of each text.

        Parameters
        ----------
        texts
            A series of strings, or a list.

        Returns
        -------
        Series
            ``List(UInt32)``, an entry for each text: null for a null.

        Raises
        ------
        RunError
            When the library gives up on a text, which fast encoders never do.
        """
        import polars as pl

        from prepcore.transport import of_texts

        return pl.DataFrame(self._encoder.encode(of_texts(texts))).to_series()
