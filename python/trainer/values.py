"""Configurations that Python made, held to the rules of the command line."""

from __future__ import annotations

from prepcore.arguments import Parser
from trainer.config import FitConfig, presets
from trainer.run_folder import values_of


def checked(config: FitConfig) -> FitConfig:
    """Return a configuration whose values have the types and lie in the ranges that the options state.

    The dataclasses themselves check only what concerns several fields at once.

    Raises
    ------
    UsageError
        Naming the option, the value and what is wanted.
    """
    return Parser(FitConfig, "fit", presets()).check(values_of(config))
