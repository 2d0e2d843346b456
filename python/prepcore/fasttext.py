"""Supervised fastText models: the library's labels and scores, to the last bit, several times as fast."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from prepcore import engine

if TYPE_CHECKING:
    import polars as pl


class FastText:
    r"""A supervised fastText model: language identification, or a classifier.

    Labels and scores are those of ``predict`` of the fastText library, bit for bit, for every supervised
    model that it can train: ``.bin`` and ``.ftz`` with any loss, word and character n-grams, pruned or not.

    Parameters
    ----------
    path
        The model file.
    newline
        What becomes of each line feed, which the library refuses: ``"delete"`` joins the words around it, as
        language identification mostly does; ``"space"`` keeps them apart, as classifiers mostly do.

    Raises
    ------
    InputError
        When the file cannot be opened, is no supervised model, or is damaged.

    Examples
    --------
    >>> model = FastText("lid.176.ftz")  # doctest: +SKIP
    >>> model.predict(["The cat sat on the mat.", "고양이가 매트 위에 앉았다."])  # doctest: +SKIP
    shape: (2, 2)
    ┌─────────────┬──────────┐
    │ label       ┆ score    │
    │ ---         ┆ ---      │
    │ str         ┆ f32      │
    ╞═════════════╪══════════╡
    │ __label__en ┆ 0.966197 │
    │ __label__ko ┆ 1.000021 │
    └─────────────┴──────────┘
    """

    def __init__(self, path: str | os.PathLike[str], newline: str = "delete") -> None:
        if newline not in ("delete", "space"):
            raise ValueError(f"newline: got {newline!r}, expected 'delete' or 'space'")
        self._model = engine.core().FastText(os.fspath(path), newline == "delete")

    @property
    def labels(self) -> list[str]:
        """The labels in the order of the file, with the prefix ``__label__``."""
        labels: list[str] = self._model.labels
        return labels

    @property
    def fingerprint(self) -> str:
        """The file's XXH3-128."""
        fingerprint: str = self._model.fingerprint
        return fingerprint

    def predict(self, texts: pl.Series | list[str]) -> pl.DataFrame:
        """Return the most likely label of each text: ``predict(text, k=1)`` of the library.

        Parameters
        ----------
        texts
            A series of strings, or a list.

        Returns
        -------
        DataFrame
            Columns ``label`` (String) and ``score`` (Float32, from 0 to a little above 1), a row for each
            text: nulls for a null, and where the library gives no label.
        """
        import polars as pl

        from prepcore.transport import of_texts

        return pl.DataFrame(self._model.predict(of_texts(texts)))

    def scores(self, texts: pl.Series | list[str], label: str, threshold: float = 0.0) -> pl.Series:
        """Return one label's score for each text: the library's ``predict(text, k=-1, threshold=threshold)``.

        Parameters
        ----------
        texts
            A series of strings, or a list.
        label
            The label, with its prefix or without.
        threshold
            Scores below it are left out.

        Returns
        -------
        Series
            Float32: null for a null, and where the library leaves the label out.

        Raises
        ------
        KeyError
            When the model has no such label.
        """
        import polars as pl

        from prepcore.transport import of_texts

        return pl.DataFrame(self._model.scores(of_texts(texts), label, threshold)).to_series()
