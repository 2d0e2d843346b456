r"""Raw text to packed training rows: clean, deduplicate, tokenise and pack documents of any number.

``prepcore.clean`` takes a Polars frame, any Arrow stream, or files; ``prepcore.tokenizer``,
``prepcore.pack`` and ``prepcore.train_classifier`` take files. The same verbs are commands of the program
``prepcore``. Nothing heavy is imported before it is used.

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

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prepcore._core import ConfigurationError, InputError, PrepcoreError, RunError
    from prepcore.classifier.train import train_classifier
    from prepcore.config import Repetition, Rules, ShortLines
    from prepcore.frames import Cleaned, NotCollectedError, clean
    from prepcore.runs import pack, tokenizer

__all__ = [
    "Cleaned",
    "ConfigurationError",
    "InputError",
    "NotCollectedError",
    "PrepcoreError",
    "Repetition",
    "Rules",
    "RunError",
    "ShortLines",
    "clean",
    "pack",
    "tokenizer",
    "train_classifier",
]

_HOME = {
    "Cleaned": "prepcore.frames",
    "ConfigurationError": "prepcore._core",
    "InputError": "prepcore._core",
    "NotCollectedError": "prepcore.frames",
    "PrepcoreError": "prepcore._core",
    "Repetition": "prepcore.config",
    "Rules": "prepcore.config",
    "RunError": "prepcore._core",
    "ShortLines": "prepcore.config",
    "clean": "prepcore.frames",
    "pack": "prepcore.runs",
    "tokenizer": "prepcore.runs",
    "train_classifier": "prepcore.classifier.train",
}
"""Where each public name lives; a module is imported when one of its names is asked for."""


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
