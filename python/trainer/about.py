"""``run.json``: what a run is, in figures that its configuration does not state."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from transformers import LlamaForCausalLM

from trainer import __version__
from trainer.config import FitConfig
from trainer.flops import FORMULA, Arithmetic, LlamaSizes
from trainer.resolve import RunNumbers
from trainer.tokens import TokenFolder

LIBRARIES = ("torch", "pytorch-lightning", "transformers")


def write_about(
    path: Path,
    config: FitConfig,
    model: LlamaForCausalLM,
    folder: TokenFolder,
    numbers: RunNumbers,
    arithmetic: Arithmetic,
    precision: str,
    processes: int = 1,
) -> None:
    """Write the file, whole or not at all; a run that continues writes it again."""
    sizes = LlamaSizes.of(model.config)
    validation = folder.validation
    about: dict[str, Any] = {
        "format": "trainer.run",
        "format_version": 1,
        "program": f"trainer {__version__}",
        "versions": {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
        "device": arithmetic.device,
        "precision": precision,
        "processes": processes,
        "strategy": config.model.init.strategy,
        "sequence_length": numbers.length,
        "rows_per_step": numbers.rows_per_step,
        "tokens_per_step": numbers.tokens_per_step,
        "total_steps": numbers.total_steps,
        "isolated": numbers.isolate,
        "parameters": sizes.parameters,
        "trained_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "parameters_without_embedding": sizes.parameters_without_embedding,
        "sizes": asdict(sizes),
        "flops_per_token": arithmetic.flops_per_token,
        "flops_formula": FORMULA,
        "peak_tflops": arithmetic.peak_teraflops,
        "peak_from": arithmetic.peak_from,
        "rows": folder.train.rows(numbers.length),
        "tokens": folder.train.tokens,
        "validation_rows": validation.rows(numbers.length) if validation else 0,
        "tokens_per_byte": validation.tokens_per_byte if validation else None,
    }
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(path)
