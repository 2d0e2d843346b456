"""Keeping the libraries from talking over the program."""

from __future__ import annotations

import logging
import os
import warnings


def quiet_libraries() -> None:
    """Silence what Lightning and transformers say in every run and nobody can act on.

    Called by the commands before the libraries are imported; warnings that concern a run stay.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    for name in ("pytorch_lightning", "lightning", "lightning_fabric", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for message in (
        r".*does not have many workers.*",  # rows come from memory maps: a worker would only copy them
        r".*`isinstance\(treespec, LeafSpec\)`.*",
        r".*LeafSpec.* is deprecated.*",
        r".*GPU available but not used.*",
        r".*You are trying to `self.log\(\)`.*",
        r".*Trainer was configured with.*",
    ):
        warnings.filterwarnings("ignore", message=message)
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
