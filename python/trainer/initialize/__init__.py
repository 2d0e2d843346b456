"""Where the first weights of a model come from.

One rule for all strategies: a fresh configuration with only what changes changed, a model built from it, a
remapped state dict loaded into it. In a program::

    from trainer.initialize import initialize

    model, facts = initialize("upscale", "runs/first/checkpoints/last", layers=16)
    print(facts)  # layer map, parameters; with tokens="tokens" the loss before and after
    model.save_pretrained("deeper")

Without torch: :mod:`~trainer.initialize.maps` chooses layers, :mod:`~trainer.initialize.source` reads what
a source says of itself and refuses what does not fit, :mod:`~trainer.initialize.facts` writes down what was
made of what. With it: :mod:`~trainer.initialize.random` makes new weights,
:mod:`~trainer.initialize.pretrained` opens a source, :mod:`~trainer.initialize.sample` measures,
:mod:`~trainer.initialize.surgery` and :mod:`~trainer.initialize.vocabulary` operate, and
:mod:`~trainer.initialize.build` is the road through all of them.

Importing this package imports nothing heavy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainer.initialize.build import Initialized, build, parameter_count
    from trainer.initialize.facts import Facts
    from trainer.initialize.python import initialize

__all__ = ["Facts", "Initialized", "build", "initialize", "parameter_count"]

_HOMES = {
    "Facts": "facts",
    "Initialized": "build",
    "build": "build",
    "initialize": "python",
    "parameter_count": "build",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
