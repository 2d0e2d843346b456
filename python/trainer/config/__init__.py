"""What may be set: one tree of frozen dataclasses, a class a section, importable without torch.

The same names are options (``--model.hidden-size``) and YAML keys (``hidden-size`` under ``model``). Options
under ``trainer`` bear the names that ``lightning.Trainer`` gives them, with ``max-tokens`` added.

:mod:`~trainer.config.model` has the architecture and the first weights, :mod:`~trainer.config.training` the
data and the optimizer, :mod:`~trainer.config.running` how a run is carried out, and
:mod:`~trainer.config.commands` what each command takes of these, with the presets.
"""

from __future__ import annotations

from trainer.config.commands import (
    FitConfig,
    GenerateConfig,
    InitializeConfig,
    check_measurable,
    presets,
    with_preset,
)
from trainer.config.evaluating import EvaluationConfig
from trainer.config.exporting import ExportConfig
from trainer.config.model import ARCHITECTURE, InitConfig, ModelConfig, parse_keep
from trainer.config.running import (
    LOGGERS,
    Attention,
    ComputeConfig,
    Loss,
    TrainerConfig,
    parse_activation_checkpointing,
    parse_compile,
    parse_loggers,
)
from trainer.config.training import BatchConfig, CheckpointConfig, DataConfig, OptimizerConfig, ScheduleConfig

__all__ = [
    "ARCHITECTURE",
    "LOGGERS",
    "Attention",
    "BatchConfig",
    "CheckpointConfig",
    "ComputeConfig",
    "DataConfig",
    "EvaluationConfig",
    "ExportConfig",
    "FitConfig",
    "GenerateConfig",
    "InitConfig",
    "InitializeConfig",
    "Loss",
    "ModelConfig",
    "OptimizerConfig",
    "ScheduleConfig",
    "TrainerConfig",
    "check_measurable",
    "parse_activation_checkpointing",
    "parse_compile",
    "parse_keep",
    "parse_loggers",
    "presets",
    "with_preset",
]
