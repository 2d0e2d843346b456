"""A checkpoint as a folder to give away: ``python -m trainer export``.

What is left is what others load: weights in the number type they want, the tokenizer, and a model card
(:mod:`trainer.model_card`). The training state stays behind.
"""

from __future__ import annotations

from pathlib import Path

from prepcore.arguments import UsageError
from prepcore.arguments.quantities import parse_size
from trainer.config.exporting import DTYPES, ExportConfig
from trainer.model_card import Card
from trainer.run_folder import check_empty, check_model_folder


def check(config: ExportConfig) -> None:
    """Find mistakes before the seconds that importing torch takes.

    Raises
    ------
    UsageError
        When the checkpoint is no model folder, or the output is not empty.
    """
    check_model_folder(Path(config.checkpoint[0]))
    check_empty(Path(config.out), "out", "choose another folder")


def export(config: ExportConfig) -> Path:
    """Write the folder, whole or not at all, and return it.

    Raises
    ------
    UsageError
        As `check`; when the weights cannot be read; when one of them is too large for fp16.
    """
    import torch

    from trainer.checkpoint import write_folder
    from trainer.initialize.build import parameter_count
    from trainer.initialize.pretrained import open_source

    check(config)
    source, out = Path(config.checkpoint[0]), Path(config.out)
    model = open_source(str(source), "auto")
    wanted = getattr(torch, DTYPES[config.dtype])
    if wanted == torch.float16:
        largest = torch.finfo(wanted).max
        for name, weight in model.named_parameters():
            if (over := int((weight.abs() > largest).sum())) > 0:
                raise UsageError(
                    f"{over:,} weights of {name} are above {largest:,.0f}, the largest that fp16 has",
                    "give --dtype bf16, which has the range of fp32",
                )
    model.to(wanted)
    card = Card.of_checkpoint(
        source,
        name=config.name or out.resolve().name,
        licence=config.license,
        dtype=config.dtype,
        parameters=parameter_count(model),
    )
    write_folder(
        model,
        source,
        out,
        shard_size=parse_size(config.shard_size),
        texts={"README.md": card.text()},
    )
    return out
