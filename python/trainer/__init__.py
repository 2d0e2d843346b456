"""Train Llama models on token folders, or on rows of tokens in Parquet.

From the command line::

    python -m trainer fit --config demo --data.path tokens
    python -m trainer generate runs/demo/checkpoints/last --prompt "Return the"

In Python::

    from trainer import DataConfig, FitConfig, ModelConfig, TrainerConfig, fit

    last = fit(FitConfig(
        data=DataConfig(path="tokens"),
        model=ModelConfig(preset="demo"),
        trainer=TrainerConfig(max_steps=1500),
        run="runs/first",
    ))

and, in a training of one's own, :class:`LlamaModule`, :class:`PackedTokens` and :func:`initialize`.

The road of a run, a file a stop: :mod:`trainer.config` (what may be set), :mod:`trainer.fit` (the whole
run on one page), :mod:`trainer.rows` and :mod:`trainer.tokens` (what is read), :mod:`trainer.data` (which
rows make a step), :mod:`trainer.initialize` (where the first weights come from), :mod:`trainer.model`
(what a step does), :mod:`trainer.checkpoint` (what is kept), :mod:`trainer.callbacks` (who watches).

Importing this package imports nothing heavy; a name that needs torch imports it when it is asked for.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainer.config import (
        BatchConfig,
        CheckpointConfig,
        DataConfig,
        FitConfig,
        InitConfig,
        ModelConfig,
        OptimizerConfig,
        ScheduleConfig,
        TrainerConfig,
    )
    from trainer.data import PackedTokens
    from trainer.fit import fit
    from trainer.initialize import initialize
    from trainer.model import LlamaModule
    from trainer.schedule import Schedule

__version__ = "0.1.0"

__all__ = [
    "BatchConfig",
    "CheckpointConfig",
    "DataConfig",
    "FitConfig",
    "InitConfig",
    "LlamaModule",
    "ModelConfig",
    "OptimizerConfig",
    "PackedTokens",
    "Schedule",
    "ScheduleConfig",
    "TrainerConfig",
    "fit",
    "initialize",
]

_HOMES = {
    "LlamaModule": "trainer.model",
    "PackedTokens": "trainer.data",
    "Schedule": "trainer.schedule",
    "fit": "trainer.fit",
    "initialize": "trainer.initialize",
}
"""The module of each public name; those not listed are in `trainer.config`."""


if not TYPE_CHECKING:  # a type checker would take any name for known

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_HOMES.get(name, "trainer.config")), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """Keeps `trainer.fit` and `trainer.initialize` the functions, whichever modules were imported before.

    The import system binds a submodule to its name in the package when it has been imported. Not those of
    these two names, which are there for ``from trainer.fit import …`` all the same: the functions are
    imported when they are asked for.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
