"""Making a model folder without training: ``python -m trainer init``."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from transformers import AutoTokenizer, LlamaForCausalLM

from prepcore.arguments import UsageError
from trainer.checkpoint import write_folder
from trainer.compute import set_attention_dropout
from trainer.config import InitializeConfig
from trainer.initialize import from_source, parameter_count
from trainer.initialize.random import random_configuration, random_model
from trainer.run_folder import check_empty
from trainer.tokenizer import Vocabulary, check_same_ids, open_tokenizer

# Length of a new model where the preset names none: that of Llama 2.
DEFAULT_LENGTH = 4096


def init(config: InitializeConfig) -> str:
    """Write a complete Hugging Face folder and return what was made.

    Weights taken from a source keep its number type, so nothing of them is lost.

    Raises
    ------
    UsageError
        When the folder is not empty, the source or the sizes do not allow what is asked, or the tokenizer
        is another than that of the source.
    """
    out = Path(config.out)
    check_empty(out, "out", "choose another folder")
    with TemporaryDirectory() as scratch:
        tokenizer = _tokenizer_files(config, Path(scratch))
        if tokenizer is not None and config.tokenizer:
            open_tokenizer(tokenizer)
            check_same_ids(tokenizer, Path(config.model.init.source or tokenizer))
        model, made = _model(config, tokenizer)
        set_attention_dropout(model, config.model.attention_dropout)
        write_folder(model, tokenizer, out)
    return f"{made}parameters: {parameter_count(model):,}\nwritten to {out}"


def _model(config: InitializeConfig, tokenizer: Path | None) -> tuple[LlamaForCausalLM, str]:
    if config.model.init.strategy != "random":
        surgery = from_source(config.model, dtype="auto")
        return surgery.model, f"{config.model.init.strategy}: source layers {surgery.layers}\n"
    if tokenizer is None:
        raise UsageError("a new model needs a vocabulary", "give --tokenizer DIR")
    vocabulary = Vocabulary.read(tokenizer)
    described = random_configuration(
        config.model,
        vocabulary_size=vocabulary.size,
        sequence_length=DEFAULT_LENGTH,
        bos=vocabulary.bos,
        eos=vocabulary.eos,
    )
    return random_model(described, config.seed), ""


def _tokenizer_files(config: InitializeConfig, scratch: Path) -> Path | None:
    """Return a folder with the tokenizer's files; those of a hub id as transformers saves them."""
    source = config.tokenizer or config.model.init.source
    if source is None or Path(source).is_dir():
        return Path(source) if source else None
    try:
        AutoTokenizer.from_pretrained(source).save_pretrained(scratch)
    except (OSError, ValueError) as error:
        option = "tokenizer" if config.tokenizer else "model.init.source"
        raise UsageError(
            f"--{option} {source}: there is no tokenizer that transformers can open "
            f"({str(error).splitlines()[0]})",
            "wanted a folder with tokenizer.json, or a hub id",
        ) from error
    return scratch
