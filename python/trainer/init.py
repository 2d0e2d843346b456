"""Making a model folder without training: ``python -m trainer init``."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from prepcore.arguments import UsageError
from trainer.config import InitializeConfig
from trainer.initialize.around import Surroundings, surroundings
from trainer.initialize.facts import FILE
from trainer.initialize.source import check_source
from trainer.run_folder import check_empty


def check(config: InitializeConfig) -> None:
    """Find mistakes before the seconds that importing torch takes.

    Raises
    ------
    UsageError
        As `init`, as far as numbers and small files tell.
    """
    check_empty(Path(config.out), "out", "choose another folder")
    if config.tokenizer and not Path(config.tokenizer).is_dir():
        return  # a hub id, which transformers converts
    around = _surroundings(config, config.tokenizer)
    sample = around.sample
    check_source(
        config.model,
        folder=sample.folder if sample else None,
        length=sample.length if sample else None,
        tokenizer=around.tokenizer,
    )


def init(config: InitializeConfig) -> str:
    """Write a complete Hugging Face folder, with what was made of what beside it, and return that as text.

    Weights taken from a source keep its number type, so nothing of them is lost.

    Raises
    ------
    UsageError
        When the folder is not empty, the source or the sizes do not allow what is asked, or the tokenizer
        is another than that of the source.
    """
    from trainer.checkpoint import write_folder
    from trainer.compute import set_attention_dropout
    from trainer.initialize.build import build

    out = Path(config.out)
    check_empty(out, "out", "choose another folder")
    with TemporaryDirectory() as scratch:
        named = _files_of(config.tokenizer, "tokenizer", Path(scratch)) if config.tokenizer else None
        around = _surroundings(config, None if named is None else str(named))
        made = build(config.model, around, seed=config.seed, dtype="auto", say=_say)
        set_attention_dropout(made.model, config.model.attention_dropout)
        write_folder(made.model, _written_tokenizer(config, named, around, Path(scratch)), out)
    made.facts.write(out / FILE)
    return f"{made.facts}\nwritten to {out}"


def _written_tokenizer(
    config: InitializeConfig, named: Path | None, around: Surroundings, scratch: Path
) -> Path | None:
    """Choose the tokenizer to write: the one named, else that of the source, of which the ids are.

    Random weights and an extended vocabulary have that of the data.
    """
    source = config.model.init.source
    if named is not None or source is None or config.model.init.vocabulary == "extend":
        return named or around.tokenizer
    return _files_of(source, "model.init.source", scratch)


def _surroundings(config: InitializeConfig, tokenizer: str | None) -> Surroundings:
    return surroundings(config.model.init, tokens=config.tokens, tokenizer=tokenizer, say=_say)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201


def _files_of(source: str, option: str, scratch: Path) -> Path:
    """Return a folder with a tokenizer's files; those of a hub id as transformers saves them."""
    if Path(source).is_dir():
        return Path(source)
    from transformers import AutoTokenizer

    try:
        AutoTokenizer.from_pretrained(source).save_pretrained(scratch)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"--{option} {source}: there is no tokenizer that transformers can open "
            f"({str(error).splitlines()[0]})",
            "wanted a folder with tokenizer.json, or a hub id",
        ) from error
    return scratch
