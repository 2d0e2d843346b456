"""``frame.prep``: the verbs as methods of Polars frames.

``import prepcore`` registers it where Polars was imported before; ``import prepcore.namespace`` always does.
"""

from __future__ import annotations

from typing import Any, Unpack

import polars as pl

from prepcore.frames import Cleaned, CleanSettings, clean
from prepcore.measures import MeasureSettings, measure
from prepcore.packing import PackSettings, pack
from prepcore.runs import PathLike


@pl.api.register_dataframe_namespace("prep")
@pl.api.register_lazyframe_namespace("prep")
class Prep:
    r"""The verbs of prepcore on a frame.

    Examples
    --------
    >>> import polars as pl
    >>> import prepcore.namespace
    >>> frame = pl.DataFrame({"text": ["one line", "a\nfew\nlines"]})
    >>> frame.prep.measure()["lines"].to_list()
    [1.0, 3.0]
    """

    def __init__(self, frame: Any) -> None:
        self._frame = frame

    def clean(self, **settings: Unpack[CleanSettings]) -> Cleaned[Any]:
        """Drop documents by the rules; see `prepcore.clean`."""
        cleaned: Cleaned[Any] = clean(self._frame, **settings)
        return cleaned

    def measure(self, **settings: Unpack[MeasureSettings]) -> Any:
        """Add what the rules measure; see `prepcore.measure`."""
        return measure(self._frame, **settings)

    def pack(
        self, *, tokenizer: PathLike, out: PathLike | None = None, **settings: Unpack[PackSettings]
    ) -> Any:
        """Tokenise the documents and pack them into rows, a frame or a folder; see `prepcore.pack`."""
        return pack(self._frame, tokenizer=tokenizer, out=out, **settings)
