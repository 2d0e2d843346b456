"""Several token folders as one: what a recipe of `prepcore mix` says, opened.

The rows of all sources are numbered one source after the other, so that whatever reads rows by their numbers
reads a mixture like a folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prepcore.arguments import UsageError
from prepcore.mixture.recipe import Recipe
from trainer.split import Numbers, Split
from trainer.tokens import TokenFolder


class MixedSplit:
    """One side of several folders.

    Parameters
    ----------
    parts
        That side of each.
    names
        What the sources are called.
    weights
        Their weights in the mixture.
    length
        Tokens in a row, which every other method is to be asked for.
    """

    def __init__(
        self, parts: Sequence[Split], *, names: Sequence[str], weights: Sequence[int], length: int
    ) -> None:
        self.parts = tuple(parts)
        self.names = tuple(names)
        self.shares = tuple(weight / sum(weights) for weight in weights)
        self.length = length
        self.starts = np.cumsum([0] + [part.rows(length) for part in self.parts])

    @property
    def tokens(self) -> int:
        """Number of tokens, those in no row included."""
        return sum(part.tokens for part in self.parts)

    @property
    def tokens_per_byte(self) -> float | None:
        """Tokens a byte of text in the mixture, where each source has its share of the tokens.

        None when a source has no text.
        """
        bytes_per_token = 0.0
        for part, share in zip(self.parts, self.shares, strict=True):
            if part.tokens_per_byte is None:
                return None
            bytes_per_token += share / part.tokens_per_byte
        return 1 / bytes_per_token if bytes_per_token else None

    def rows(self, length: int) -> int:
        """Return how many rows there are.

        Raises
        ------
        UsageError
            When they are of another length.
        """
        if length != self.length:
            raise UsageError(
                f"a recipe is for rows of {self.length:,} tokens, and rows of {length:,} were asked for",
                f"write another with `prepcore mix … --sequence-length {length}`",
            )
        return int(self.starts[-1])

    def read(self, rows: Numbers, length: int) -> Numbers:
        """Return the tokens of some rows, shape ``(len(rows), length)``."""
        return self._gather(rows, lambda part, numbers: part.read(numbers, length))

    def positions(self, rows: Numbers, length: int) -> Numbers:
        """Return the place of each token within its document, shape ``(len(rows), length)``."""
        return self._gather(rows, lambda part, numbers: part.positions(numbers, length))

    def mask(self, rows: Numbers, length: int) -> NDArray[np.bool_] | None:
        """Say where tokens stand and not padding, shape ``(len(rows), length)``; None where all do."""
        filled = np.ones((len(rows), length), dtype=np.bool_)
        masked = False
        for part, inside, numbers in self._by_part(rows):
            mask = part.mask(numbers, length)
            if mask is not None:
                filled[inside], masked = mask, True
        return filled if masked else None

    def padding(self, length: int) -> int:
        """Return the tokens of padding in all rows."""
        return sum(part.padding(length) for part in self.parts)

    def _gather(self, rows: Numbers, read: Callable[[Split, Numbers], Numbers]) -> Numbers:
        gathered = np.empty((len(rows), self.length), dtype=np.int64)
        for part, inside, numbers in self._by_part(rows):
            gathered[inside] = read(part, numbers)
        return gathered

    def _by_part(self, rows: Numbers) -> Iterator[tuple[Split, NDArray[np.bool_], Numbers]]:
        """Yield each part that has some of the rows, which these are, and their numbers in the part."""
        parts = np.searchsorted(self.starts, rows, side="right") - 1
        for number in np.unique(parts):
            inside = parts == number
            yield self.parts[number], inside, rows[inside] - self.starts[number]


@dataclass(frozen=True)
class Mixture(TokenFolder):
    """The folders of a recipe, opened; a `TokenFolder` to all who do not look closer.

    Attributes
    ----------
    recipe
        What the file says.
    train, validation
        The sides of all sources. Only sources that have a row held out are in the second.
    """

    recipe: Recipe
    train: MixedSplit
    validation: MixedSplit | None

    @classmethod
    def open(cls, path: Path | str) -> Mixture:
        """Open what a recipe names.

        Raises
        ------
        UsageError
            When it is no recipe, or a folder is missing or not what it was.
        """
        recipe = Recipe.read(Path(path))
        recipe.check_unchanged()
        folders = [TokenFolder.open(source.path) for source in recipe.sources]
        length = recipe.sequence_length
        names = [source.name for source in recipe.sources]
        held_out = [
            (folder.validation, name, weight)
            for folder, name, weight in zip(folders, names, recipe.weights, strict=True)
            if folder.validation is not None and folder.validation.rows(length)
        ]
        validation = None
        if held_out:
            parts, held_out_names, weights = zip(*held_out, strict=True)
            validation = MixedSplit(parts, names=held_out_names, weights=weights, length=length)
        first = folders[0]
        return cls(
            path=Path(path),
            train=MixedSplit(
                [folder.train for folder in folders], names=names, weights=recipe.weights, length=length
            ),
            validation=validation,
            sequence_length=length,
            # The recipe vouches for one tokenizer and one bos and eos in all of them.
            vocabulary_size=first.vocabulary_size,
            bos=first.bos,
            eos=first.eos,
            tokenizer=first.tokenizer,
            largest=None,
            borders=all(folder.borders for folder in folders),
            recipe=recipe,
        )
