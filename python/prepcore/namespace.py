"""``frame.prep``: the verbs as methods of Polars frames.

``import prepcore`` registers it where Polars was imported before; ``import prepcore.namespace`` always does.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Unpack

import polars as pl

from prepcore.frames import Cleaned, CleanSettings, clean
from prepcore.measures import MeasureSettings, measure
from prepcore.runs import PackSettings, PathLike, pack


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

    def pack(self, *, out: PathLike, tokenizer: PathLike, **settings: Unpack[PackSettings]) -> dict[str, Any]:
        """Tokenise the documents and pack them into rows; see `prepcore.pack`.

        The frame is first written to a Parquet file beside `out`, which is removed afterwards: a frame of
        any size streams through bounded memory.
        """
        beside = Path(out).absolute().parent
        beside.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".prepcore-", dir=beside) as folder:
            path = Path(folder) / "frame.parquet"
            self._frame.lazy().sink_parquet(path)
            return pack(path, out=out, tokenizer=tokenizer, **settings)
