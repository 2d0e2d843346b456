"""Checkpoints: Hugging Face folders that can also be trained on.

``step-00000100/`` holds ``config.json``, ``generation_config.json``, ``model.safetensors`` and the tokenizer,
so that ``from_pretrained`` and everything built on it opens the folder as it is, and ``training_state.pt``
with what training needs beyond the weights. A folder is written under another name and renamed when all of it
is on the disk: it is whole or absent.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins import CheckpointIO
from transformers import LlamaForCausalLM

from prepcore.formats.disk import flush
from trainer.run_folder import STATE_FILE
from trainer.tokenizer import copy_tokenizer

# What Lightning would store and we do not: the weights are in the safetensors file, and a step number says
# what its loop counters, which describe hooks half-way through, would say.
MODULE = "model."
"""What Lightning puts before the names of the weights: where the module has the model."""

LEFT_OUT = ("state_dict", "loops", "callbacks", "hparams_name", "hyper_parameters")


class HuggingFaceCheckpoint(CheckpointIO):
    """Writes what Lightning hands over as a Hugging Face folder, and reads the training state back.

    The weights are not read back here: a run that continues opens the folder like any other model.

    Parameters
    ----------
    model
        The model in training.
    tokenizer
        Folder whose files are copied into each checkpoint, or None.
    """

    def __init__(self, model: LlamaForCausalLM, tokenizer: Path | None) -> None:
        self.model = model
        self.tokenizer = tokenizer

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a folder; one of that name is replaced."""
        state = {name: value for name, value in checkpoint.items() if name not in LEFT_OUT}
        # The weights that Lightning hands over are whole, also where each device has a part of them.
        weights = {name.removeprefix(MODULE): weight for name, weight in checkpoint["state_dict"].items()}
        write_folder(self.model, self.tokenizer, Path(path), state, weights)

    def load_checkpoint(
        self, path: Any, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read the training state; never runs code from the file."""
        state: dict[str, Any] = torch.load(Path(path) / STATE_FILE, map_location="cpu", weights_only=True)
        return state

    def remove_checkpoint(self, path: Any) -> None:
        """Delete a folder."""
        shutil.rmtree(path)


def write_folder(
    model: LlamaForCausalLM,
    tokenizer: Path | None,
    folder: Path,
    state: dict[str, Any] | None = None,
    weights: dict[str, Any] | None = None,
) -> None:
    """Write a model as a Hugging Face folder, whole or not at all.

    Parameters
    ----------
    model
        Weights are written in the type they have.
    tokenizer
        Folder of tokenizer files to copy, or None.
    folder
        Where to; its parent is made, and a folder of that name is replaced.
    state
        Training state to store beside the weights.
    weights
        By their names in the model; None: those it has.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    model.save_pretrained(partial, state_dict=weights)
    if tokenizer is not None:
        copy_tokenizer(tokenizer, partial)
    if state is not None:
        torch.save(state, partial / STATE_FILE)
    for file in partial.iterdir():
        # safetensors lets nobody but the owner read its file; whoever serves the model is often another.
        file.chmod((partial / "config.json").stat().st_mode)
        flush(file)
    flush(partial)
    if folder.exists():
        shutil.rmtree(folder)
    partial.rename(folder)
    flush(folder.parent)
