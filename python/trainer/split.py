"""What rows are read from: one side of a token folder, or of several."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]


class Split(Protocol):
    """Rows of tokens that are read by their numbers."""

    @property
    def tokens(self) -> int:
        """Number of tokens, those in no row included."""

    @property
    def tokens_per_byte(self) -> float | None:
        """Tokens a byte of text; None when there is no text."""

    def rows(self, length: int) -> int:
        """Return how many rows of ``length`` tokens there are."""

    def read(self, rows: Numbers, length: int) -> Numbers:
        """Return the tokens of some rows, shape ``(len(rows), length)``."""

    def positions(self, rows: Numbers, length: int) -> Numbers:
        """Return the place of each token within its document, shape ``(len(rows), length)``."""

    def mask(self, rows: Numbers, length: int) -> NDArray[np.bool_] | None:
        """Say where tokens stand and not padding, shape ``(len(rows), length)``; None where all do."""

    def padding(self, length: int) -> int:
        """Return the tokens of padding in all rows of ``length`` tokens."""
