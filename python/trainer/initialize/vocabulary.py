"""More tokens than the source has: rows of the embedding and of the head for them.

A new token begins as the mean of the rows of the old tokens that spelled it before. One that the old
tokenizer could not spell, and each row of padding, is the mean of all old rows, as transformers resizes
embeddings (Hewitt, 2021, "Initializing new word embeddings for pretrained language models"): its logit is the
mean of the old logits, the exponential of which is at most the mean of theirs, so ``k`` such rows beside
``n`` old ones raise no loss by more than ``log(1 + k / n)``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prepcore.arguments import UsageError
from trainer.tokenizer import DEFINITION, check_same_ids, open_tokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor

MULTIPLE = 64
"""Rows of an extended embedding are padded to this: matrix products are fastest at multiples of it."""


@dataclass(frozen=True)
class Extension:
    """What becomes of each row.

    Attributes
    ----------
    rows
        Rows of the new embedding and head.
    known
        Ids that have a row in the source and a token in its tokenizer.
    spelled
        New ids, and the old ids that spelled each.
    unspelled
        New ids whose text the old tokenizer cannot write.
    padding
        Ids beyond all tokens.
    """

    rows: int
    known: tuple[int, ...]
    spelled: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    unspelled: tuple[int, ...] = ()
    padding: tuple[int, ...] = ()

    @property
    def new_tokens(self) -> int:
        """How many tokens the source does not have."""
        return len(self.spelled) + len(self.unspelled)


def plan_extension(data: Path, source: Path, rows: int) -> Extension:
    """Hold the tokenizer of the data against that of the source and plan a row for each new token.

    Parameters
    ----------
    data, source
        Folders of tokenizer files; each token of the source must be in the data's with the same id.
    rows
        Rows of the source's embedding. Rows without a token, which padding leaves, are used first.

    Raises
    ------
    UsageError
        When a tokenizer is missing, an id means another token, or there is no new token.
    """
    check_tokenizers(data, source)
    check_same_ids(data, source)
    ours, theirs = open_tokenizer(data), open_tokenizer(source)
    ids, old = (each.get_vocab(with_added_tokens=True) for each in (ours, theirs))
    lost = sorted((number, token) for token, number in old.items() if token not in ids)
    if lost:
        raise UsageError(
            f"{data / DEFINITION} has no token {lost[0][1]!r}, id {lost[0][0]} of {source / DEFINITION}, and "
            f"{len(lost) - 1:,} others are missing",
            "to extend a vocabulary means to add to it; wanted a tokenizer with every token of the source",
        )
    new = {number: token for token, number in ids.items() if token not in old or number >= rows}
    if not new:
        raise UsageError(
            f"model.init.vocabulary is extend, but {data / DEFINITION} has no token that {source} lacks",
            "leave it out",
        )
    speller, added = Speller(theirs, source, rows), ours.get_added_tokens_decoder()
    pieces = {number: speller(token, added=number in added) for number, token in new.items()}
    size = max(ids.values()) + 1
    total = rows if size <= rows else -(-size // MULTIPLE) * MULTIPLE
    return Extension(
        rows=total,
        known=tuple(sorted(number for number in old.values() if number < rows)),
        spelled={number: spelled for number, spelled in sorted(pieces.items()) if spelled},
        unspelled=tuple(sorted(number for number, spelled in pieces.items() if not spelled)),
        padding=tuple(number for number in range(rows, total) if number not in new),
    )


def check_tokenizers(data: Path | None, source: Path | None) -> None:
    """Refuse to extend where one of the two tokenizers is not there.

    Raises
    ------
    UsageError
        Naming the folder.
    """
    for folder, whose in ((data, "the data"), (source, "the source")):
        if folder is None or not (folder / DEFINITION).is_file():
            raise UsageError(
                f"model.init.vocabulary is extend, but {whose} has no {DEFINITION}"
                + (f" in {folder}" if folder else ""),
                "new tokens are told by holding the tokenizer of the data against that of the source",
            )


class Speller:
    """Spells tokens with a tokenizer that does not have them.

    Parameters
    ----------
    tokenizer
        The old one.
    folder
        Where it lies.
    rows
        Ids from here on have no row to take a mean of.
    """

    def __init__(self, tokenizer: Tokenizer, folder: Path, rows: int) -> None:
        self.tokenizer = tokenizer
        self.rows = rows
        model: dict[str, Any] = json.loads((folder / DEFINITION).read_text(encoding="utf-8"))["model"]
        unknown = model.get("unk_token")
        self.unknown = model.get("unk_id") if unknown is None else tokenizer.token_to_id(unknown)

    def __call__(self, token: str, *, added: bool) -> tuple[int, ...]:
        """Return the old ids that write a token; none when they cannot.

        Parameters
        ----------
        token
            As the vocabulary has it: of an added token that is its text, of any other the text in the
            alphabet of the model (``▁`` or ``Ġ`` for a blank), which the model of the old tokenizer splits
            without taking it for the beginning of a text.
        added
            Whether it stands beside the model's own vocabulary.
        """
        try:
            if added:
                ids = self.tokenizer.encode(token, add_special_tokens=False).ids
            else:
                ids = [piece.id for piece in self.tokenizer.model.tokenize(token)]
        except (
            Exception
        ):  # the library raises no narrower type; a model without unknown token cannot write it
            return ()
        return tuple(ids) if all(number < self.rows and number != self.unknown for number in ids) else ()


def extended(matrix: Tensor, extension: Extension) -> Tensor:
    """Return an embedding or head with its new rows.

    Parameters
    ----------
    matrix
        Shape ``(rows of the source, width)``; its rows are kept, but for those that were padding and have a
        token now.

    Returns
    -------
    Tensor
        Shape ``(extension.rows, width)``, same type. Means are taken in fp32.
    """
    import torch

    larger = matrix.new_empty(extension.rows, matrix.shape[1])
    larger[: matrix.shape[0]] = matrix
    mean = matrix[list(extension.known)].mean(dim=0, dtype=torch.float32).to(matrix.dtype)
    larger[[*extension.unspelled, *extension.padding]] = mean
    if extension.spelled:
        lengths = torch.tensor([0, *(len(pieces) for pieces in extension.spelled.values())])
        pieces = torch.tensor([piece for pieces in extension.spelled.values() for piece in pieces])
        means = torch.nn.functional.embedding_bag(pieces, matrix.float(), lengths.cumsum(0)[:-1], mode="mean")
        larger[list(extension.spelled)] = means.to(matrix.dtype)
    return larger
