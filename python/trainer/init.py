"""Making a model folder without training: ``python -m trainer init``."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from transformers import AutoTokenizer, LlamaForCausalLM

from prepcore.arguments import UsageError
from trainer.checkpoint import write_folder
from trainer.config import InitializeConfig
from trainer.generate import open_tokenizer
from trainer.initialize import from_source, parameter_count
from trainer.initialize.random import random_configuration, random_model
from trainer.run_folder import check_empty

# What belongs to a tokenizer in a folder that holds a model too.
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
)

# Length of a new model where the preset names none: that of Llama 2.
DEFAULT_LENGTH = 4096


def init(config: InitializeConfig) -> str:
    """Write a complete Hugging Face folder and return what was made.

    Weights taken from a source keep its number type, so nothing of them is lost.

    Raises
    ------
    UsageError
        When the folder is not empty, or the source or the sizes do not allow what is asked.
    """
    out = Path(config.out)
    check_empty(out, "out", "choose another folder")
    with TemporaryDirectory() as scratch:
        tokenizer = _tokenizer_files(config, Path(scratch))
        model, made = _model(config, tokenizer)
        write_folder(model, tokenizer, out)
    return f"{made}parameters: {parameter_count(model):,}\nwritten to {out}"


def _model(config: InitializeConfig, tokenizer: Path | None) -> tuple[LlamaForCausalLM, str]:
    if config.model.init.strategy != "random":
        surgery = from_source(config.model, dtype="auto")
        return surgery.model, f"{config.model.init.strategy}: source layers {surgery.layers}\n"
    if tokenizer is None:
        raise UsageError("a new model needs a vocabulary: wanted --tokenizer DIR")
    vocabulary = open_tokenizer(tokenizer)
    special = _special_tokens(tokenizer)
    described = random_configuration(
        config.model,
        vocabulary_size=vocabulary.get_vocab_size(),
        sequence_length=DEFAULT_LENGTH,
        bos=vocabulary.token_to_id(special["bos_token"]),
        eos=vocabulary.token_to_id(special["eos_token"]),
    )
    return random_model(described, config.seed), ""


def _special_tokens(tokenizer: Path) -> dict[str, str]:
    """Read which tokens begin and end a text; an empty name, which no token has, where none does."""
    path = tokenizer / "tokenizer_config.json"
    stated = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    found = {}
    for name in ("bos_token", "eos_token"):
        token = stated.get(name) or ""
        # Older files hold the token with its properties.
        found[name] = token["content"] if isinstance(token, dict) else token
    return found


def _tokenizer_files(config: InitializeConfig, scratch: Path) -> Path | None:
    """Gather the tokenizer's files alone in a folder; of a hub id, as transformers saves them."""
    source = config.tokenizer or config.model.init.source
    if source is None:
        return None
    folder = Path(source)
    if not folder.is_dir():
        AutoTokenizer.from_pretrained(source).save_pretrained(scratch)
        return scratch
    for name in TOKENIZER_FILES:
        if (folder / name).is_file():
            (scratch / name).write_bytes((folder / name).read_bytes())
    return scratch
