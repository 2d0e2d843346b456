"""How long a checkpoint takes, beside safetensors and torch.save of the same bytes.

python benchmarks/checkpoint.py [--preset tinysolar-248m] [--repeats 5] [--folder /tmp] [--json FILE]

The model of a preset with random weights, and an AdamW that has made a step, so that its state has its full
size. In turn, into one folder: the checkpoint that `fit` writes (a Hugging Face folder with the training
state, flushed to the disk, then renamed), and `safetensors.torch.save_file` of the weights with
`torch.save` of the optimizer's state, as they come (nothing is flushed) and flushed too. Wall clock; what
was written before is on the disk when the clock starts. `fastest` compares the quickest of each: other
writers on the machine only ever add to a time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import tempfile
import time
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import LlamaForCausalLM

from prepcore.formats.disk import flush
from trainer import initialize
from trainer.checkpoint import HuggingFaceCheckpoint
from trainer.config import OptimizerConfig
from trainer.optimizer import build_optimizer


def stepped(model: LlamaForCausalLM) -> torch.optim.Optimizer:
    """Return an optimizer of a model after a step."""
    optimizer = build_optimizer(model, OptimizerConfig())
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 1e-3)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return optimizer


def plain(model: LlamaForCausalLM, state: dict[str, Any], folder: Path, flushed: bool) -> None:
    """Write weights and state as their libraries do."""
    folder.mkdir()
    weights, others = folder / "model.safetensors", folder / "training_state.pt"
    save_file({name: weight.contiguous() for name, weight in model.state_dict().items()}, weights)
    torch.save(state, others)
    if flushed:
        flush(weights)
        flush(others)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    shared = Path(os.environ.get("PREPCORE_SHARED", "../shared"))
    parser.add_argument("--preset", default="tinysolar-248m")
    parser.add_argument("--tokenizer", type=Path, default=shared / "data/tokenizers/mistral-v1")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where to write; its disk is what is measured")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    model = initialize(preset=options.preset, tokenizer=options.tokenizer).model
    state = {"global_step": 1, "optimizer_states": [stepped(model).state_dict()]}
    writer = HuggingFaceCheckpoint(model, options.tokenizer)
    seconds: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory(dir=options.folder) as root:
        folder = Path(root) / "checkpoint"
        ways = {
            "checkpoint": lambda: writer.save_checkpoint(state, folder),
            "libraries": lambda: plain(model, state, folder, flushed=False),
            "libraries_flushed": lambda: plain(model, state, folder, flushed=True),
        }
        for name in [*ways] * (options.repeats + 1):
            os.sync()
            begun = time.perf_counter()
            ways[name]()
            seconds[name].append(time.perf_counter() - begun)
            size = sum(file.stat().st_size for file in folder.iterdir())
            shutil.rmtree(folder)
    median = {name: statistics.median(values[1:]) for name, values in seconds.items()}
    fastest = {name: min(values[1:]) for name, values in seconds.items()}
    result = {
        "preset": options.preset,
        "gigabytes": round(size / 1e9, 3),
        "seconds": {name: round(value, 3) for name, value in median.items()},
        "ratio": round(median["checkpoint"] / median["libraries"], 3),
        "ratio_flushed": round(median["checkpoint"] / median["libraries_flushed"], 3),
        "fastest": {name: round(value, 3) for name, value in fastest.items()},
        "fastest_ratio": round(fastest["checkpoint"] / fastest["libraries"], 3),
        "repeats": options.repeats,
        "versions": {name: version(name) for name in ("torch", "transformers", "safetensors")},
        "python": platform.python_version(),
        "cores": os.cpu_count(),
    }
    print(json.dumps(result, indent=1))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
