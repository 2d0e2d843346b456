"""The tokenizers of data and of models: opening, copying, holding one against the other."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from prepcore.arguments import UsageError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

DEFINITION = "tokenizer.json"

# What belongs to a tokenizer in a folder that may hold a model too.
TOKENIZER_FILES = (
    DEFINITION,
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
)


def open_tokenizer(folder: Path) -> Tokenizer:
    """Open the ``tokenizer.json`` of a folder.

    Raises
    ------
    UsageError
        When there is none, or it cannot be read. (transformers would convert a bare ``tokenizer.model``, and
        gets runs of spaces wrong.)
    """
    from tokenizers import Tokenizer

    path = folder / DEFINITION
    if not path.is_file():
        raise UsageError(f"{folder} has no {DEFINITION}", "copy the one the model was trained with into it")
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises no narrower type
        raise UsageError(
            f"{path} cannot be read as a tokenizer: {error}", "copy the one the model was trained with"
        ) from error


def hub_tokenizer(source: str) -> Path | None:
    """Return the folder with the ``tokenizer.json`` of a hub id, downloaded; None when it has none."""
    from transformers.utils import cached_file

    try:
        found = cached_file(source, DEFINITION)
    except OSError:
        return None
    return Path(found).parent if found else None


def copy_tokenizer(source: Path, target: Path) -> None:
    """Copy the files of a tokenizer, and nothing else that lies beside them."""
    for name in TOKENIZER_FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)


@dataclass(frozen=True)
class Vocabulary:
    """What a model has to know of a tokenizer.

    Attributes
    ----------
    size
        The largest id plus one: the rows an embedding needs.
    bos, eos
        Ids that begin and end a text, or None.
    """

    size: int
    bos: int | None
    eos: int | None

    @classmethod
    def read(cls, folder: Path) -> Vocabulary:
        """Read them from the tokenizer's files.

        Raises
        ------
        UsageError
            As :func:`open_tokenizer`, and when ``tokenizer_config.json`` is not JSON.
        """
        tokenizer = open_tokenizer(folder)
        ids = tokenizer.get_vocab(with_added_tokens=True)
        special = _special_tokens(folder)
        return cls(
            max(ids.values(), default=-1) + 1, ids.get(special["bos_token"]), ids.get(special["eos_token"])
        )


def check_same_ids(data: Path, model: Path) -> None:
    """Refuse data whose ids mean other tokens than the model was trained with.

    The ids that both tokenizers have must stand for the same tokens. One may have more ids (a model's
    embedding is often longer than its tokenizer, and tokens are added), and what splits a text may differ,
    for that changes no meaning. Nothing is compared where a ``tokenizer.json`` is missing.

    Refusing is right even for a new language with a tokenizer of its own: the embedding of such a model would
    be wrong in every row, which is another initialisation than those there are.

    Parameters
    ----------
    data, model
        Folders of tokenizer files.

    Raises
    ------
    UsageError
        Naming both files and the first id that differs.
    """
    paths = (data / DEFINITION, model / DEFINITION)
    if not all(path.is_file() for path in paths) or paths[0].read_bytes() == paths[1].read_bytes():
        return
    ours, theirs = (
        {number: token for token, number in open_tokenizer(folder).get_vocab(with_added_tokens=True).items()}
        for folder in (data, model)
    )
    shared = ours.keys() & theirs.keys()
    others = sorted(number for number in shared if ours[number] != theirs[number])
    if others:
        first = others[0]
        raise UsageError(
            f"{len(others):,} of {len(shared):,} token ids of {paths[0]} are other tokens in {paths[1]}: id "
            f"{first} is {ours[first]!r} in the data and {theirs[first]!r} in the model",
            "pack the documents with the tokenizer of the model",
        )


def _special_tokens(folder: Path) -> dict[str, str]:
    """Read which tokens begin and end a text; an empty name, which no token has, where none does."""
    path = folder / "tokenizer_config.json"
    try:
        stated = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError as error:
        raise UsageError(f"{path} is not JSON: {error}", "copy it again from where the model came") from error
    found = {}
    for name in ("bos_token", "eos_token"):
        token = stated.get(name) or ""
        # Older files hold the token with its properties.
        found[name] = token["content"] if isinstance(token, dict) else token
    return found
