r"""Raw text to packed training rows: clean, deduplicate, tokenise and pack documents of any number.

``prepcore.clean`` and ``prepcore.pack`` take a Polars frame, any Arrow stream, or files;
``prepcore.tokenizer`` and ``prepcore.train_classifier`` take files; ``prepcore.Tokens`` opens what was
packed, and ``prepcore.mix`` makes one training of several such folders. The same verbs are commands of the
program ``prepcore``. Nothing heavy is imported before it is used.

Examples
--------
>>> import polars as pl
>>> import prepcore
>>> frame = pl.DataFrame({"text": ["one line", "a\nfew\nlines", "long line\nmore\nand more"]})
>>> cleaned = prepcore.clean(frame, rules=prepcore.Rules(short_lines=prepcore.ShortLines(min_line_chars=4)))
>>> cleaned.frame["text"].to_list()
['long line\nmore\nand more']
>>> cleaned.summary["dropped"]["few_lines"], cleaned.summary["dropped"]["short_lines"]
(1, 1)
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prepcore._core import ConfigurationError, InputError, PrepcoreError, RunError
    from prepcore.classifier.train import train_classifier
    from prepcore.encoder import Encoder
    from prepcore.fasttext import FastText
    from prepcore.formats.run import convert
    from prepcore.frames import Cleaned, NotCollectedError, clean
    from prepcore.measures import measure
    from prepcore.mixture.build import mix
    from prepcore.packing import pack
    from prepcore.rules import Length, Redact, Repetition, Rules, ShortLines, Unicode, Words
    from prepcore.runs import repack, tokenizer
    from prepcore.tokens.folder import Tokens

__all__ = [
    "Cleaned",
    "ConfigurationError",
    "Encoder",
    "FastText",
    "InputError",
    "Length",
    "NotCollectedError",
    "PrepcoreError",
    "Redact",
    "Repetition",
    "Rules",
    "RunError",
    "ShortLines",
    "Tokens",
    "Unicode",
    "Words",
    "clean",
    "convert",
    "measure",
    "mix",
    "pack",
    "repack",
    "tokenizer",
    "train_classifier",
]

_HOME = {
    "Cleaned": "prepcore.frames",
    "ConfigurationError": "prepcore._core",
    "Encoder": "prepcore.encoder",
    "FastText": "prepcore.fasttext",
    "InputError": "prepcore._core",
    "Length": "prepcore.rules",
    "NotCollectedError": "prepcore.frames",
    "PrepcoreError": "prepcore._core",
    "Redact": "prepcore.rules",
    "Repetition": "prepcore.rules",
    "Rules": "prepcore.rules",
    "RunError": "prepcore._core",
    "ShortLines": "prepcore.rules",
    "Tokens": "prepcore.tokens.folder",
    "Unicode": "prepcore.rules",
    "Words": "prepcore.rules",
    "clean": "prepcore.frames",
    "convert": "prepcore.formats.run",
    "measure": "prepcore.measures",
    "mix": "prepcore.mixture.build",
    "pack": "prepcore.packing",
    "repack": "prepcore.runs",
    "tokenizer": "prepcore.runs",
    "train_classifier": "prepcore.classifier.train",
}
"""Where each public name lives; a module is imported when one of its names is asked for."""


if "polars" in sys.modules:
    # Frames get `frame.prep`. Polars itself takes long to import, which is left to those who use it.
    from prepcore import namespace as namespace


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    import importlib

    if name == "__version__":
        return importlib.import_module("prepcore.engine").core().version()
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'prepcore' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, "__version__"])
