"""What ``python -m trainer export`` may be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from prepcore.arguments import option
from prepcore.arguments.quantities import check_size

DTYPES = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}
"""Number types of weights, and their names in torch."""


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """Everything that ``python -m trainer export`` may be told."""

    checkpoint: list[str] = option(
        help="checkpoint or any Hugging Face folder of a Llama", metavar="CHECKPOINT", positional=True
    )
    out: str = option(help="folder to write, new or empty", metavar="DIR")
    dtype: Literal["bf16", "fp16", "fp32"] = option("bf16", "number type of the weights")
    shard_size: str = option("5GB", "largest weight file", metavar="SIZE", parse=check_size)
    name: str | None = option(None, "name in the model card (that of the folder)")
    license: str | None = option(
        None, "licence in the model card, as the hub names it, such as apache-2.0", metavar="ID"
    )

    def __post_init__(self) -> None:
        if len(self.checkpoint) != 1:
            raise ValueError(f"CHECKPOINT is {len(self.checkpoint)} folders, wanted one")
