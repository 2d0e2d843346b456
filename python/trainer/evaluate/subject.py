"""An open checkpoint, ready to be scored."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, PreTrainedModel

from prepcore.arguments import UsageError
from trainer.run_folder import check_model_folder
from trainer.tokenizer import open_tokenizer

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}


@dataclass(frozen=True)
class Subject:
    """A checkpoint in evaluation mode on its device.

    Attributes
    ----------
    folder
        Hugging Face folder: a checkpoint of ours or any other.
    dtype
        ``bf16``, ``fp16`` or ``fp32``.
    device
        ``cpu``, ``cuda`` or ``mps``.
    bos
        Whether a text begins with the beginning token; None leaves it to the tokenizer.
    batch_size
        Texts scored at once.
    """

    folder: Path
    dtype: str
    device: str
    bos: bool | None = None
    batch_size: int = 8

    @cached_property
    def model(self) -> PreTrainedModel:
        """The model.

        Raises
        ------
        UsageError
            When the folder has none that transformers can open.
        """
        check_model_folder(self.folder)
        try:
            model = AutoModelForCausalLM.from_pretrained(self.folder, dtype=DTYPES[self.dtype])
        except (OSError, ValueError) as error:
            raise UsageError(
                f"{self.folder}: there is no model that transformers can open ({str(error).splitlines()[0]})",
                "wanted a folder with config.json and safetensors files",
            ) from error
        return model.to(self.device).eval()

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The fast tokenizer itself, which adds no special tokens unless asked to."""
        return open_tokenizer(self.folder)

    @cached_property
    def transformers_tokenizer(self) -> Any:
        """The tokenizer as transformers wraps it, which lm-eval wants."""
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(self.folder)
