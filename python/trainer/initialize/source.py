"""What a source says of itself in ``config.json``: what does not fit is refused from it, without torch."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from prepcore.arguments import UsageError
from trainer.config import ARCHITECTURE, ModelConfig, with_preset
from trainer.initialize.maps import check_layers
from trainer.initialize.vocabulary import check_tokenizers
from trainer.tokens import TokenFolder, check_largest

MAPPED = ("llama", "mistral")
"""The architectures whose weights are a Llama's, under a Llama's names."""

DESCRIPTION = "config.json"
HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


def check_source(
    model: ModelConfig,
    *,
    folder: TokenFolder | None = None,
    length: int | None = None,
    tokenizer: Path | None = None,
) -> None:
    """Refuse an initialisation whose numbers do not fit its source.

    Parameters
    ----------
    model
        With any strategy; random weights have no source, and only their stated length is looked at.
    folder
        The data, where there is any.
    length
        Tokens in a row of it.
    tokenizer
        Folder of the tokenizer that is to have more tokens than the source, where that is asked for; by
        default that of the data.

    Raises
    ------
    UsageError
        Naming the option and the numbers that would fit.
    """
    source = model.init.source
    if source is None:
        longest = with_preset(model).max_position_embeddings
        if length is not None and longest is not None:
            check_length(length, longest, "the new model")
        return
    described = read_description(source)
    check_kind(described, source)
    depth = described.get("num_hidden_layers")
    if isinstance(depth, int):
        check_layers(model.init, depth)
    check_sizes(model, described)
    extend = model.init.vocabulary == "extend"
    if extend and Path(source).is_dir():
        check_tokenizers(tokenizer or (folder.tokenizer if folder else None), Path(source))
    rows = described.get("vocab_size")
    if folder is not None and isinstance(rows, int) and not extend:
        check_vocabulary(folder, rows, source, extendable=True)
    longest = described.get("max_position_embeddings")
    if length is not None and isinstance(longest, int):
        check_length(length, longest, source)


def read_description(source: str) -> dict[str, Any]:
    """Read the ``config.json`` of a folder, or of a hub id, which is downloaded if it is not there yet.

    Raises
    ------
    UsageError
        When there is none.
    """
    path = Path(source) / DESCRIPTION
    if not path.is_file():
        path = _hub_description(source)
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} is not JSON: {error}", "copy or download the folder again") from error
    if not isinstance(described, dict):
        raise UsageError(f"{path} is not a model's description", "copy or download the folder again")
    return described


def _hub_description(source: str) -> Path:
    """Find the description of a hub id; a path that leads nowhere is told from one by what lies beside it."""
    folder = Path(source)
    wanted = f"wanted a folder with {DESCRIPTION} and safetensors files, or a hub id"
    if folder.exists():
        raise UsageError(f"{source}: there is no model, for it has no {DESCRIPTION}", wanted)
    meant_as_path = len(folder.parts) > 1 and folder.parent.exists()
    if meant_as_path or not HUB_ID.fullmatch(source):
        raise UsageError(f"{source}: there is no model, for there is no such folder", wanted)
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    try:
        cached = try_to_load_from_cache(source, DESCRIPTION)
        return Path(cached if isinstance(cached, str) else hf_hub_download(source, DESCRIPTION))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{source}: there is no model, for it is no folder and its "
            f"{DESCRIPTION} cannot be downloaded ({str(error).splitlines()[0]})",
            wanted,
        ) from error


def check_kind(described: dict[str, Any], source: str) -> None:
    """Refuse an architecture that is not a Llama's.

    Raises
    ------
    UsageError
        When the weights are another model's: a Mistral with a sliding window attends differently, and
        anything else has other weights.
    """
    kind = described.get("model_type")
    if kind not in MAPPED:
        raise UsageError(
            f"{source} is a {kind!r} model, wanted {' or '.join(MAPPED)}",
            "other architectures have other weights and cannot be taken over",
        )
    if kind == "mistral" and described.get("sliding_window") is not None:
        raise UsageError(
            f"{source} is a Mistral with a sliding window of "
            f"{described['sliding_window']}, which a Llama does not have",
            "wanted one without, such as Mistral 7B from version 0.2 on",
        )


def check_sizes(model: ModelConfig, described: dict[str, Any]) -> None:
    """Refuse a configuration that describes another model than its source.

    The sizes are those of the source. A recipe may state them, as the preset does that the source was trained
    with, and then they have to be the same; ``num_hidden_layers`` is that of the source, before any surgery.

    Parameters
    ----------
    model
        What is configured.
    described
        What the source says; a size that it leaves out, and has by default, is not compared.

    Raises
    ------
    UsageError
        Naming the first option that differs.
    """
    sizes = with_preset(model)
    for name in ARCHITECTURE:
        wanted, found = getattr(sizes, name), _size(described, name)
        if wanted is not None and found is not None and wanted != found:
            raise UsageError(
                f"model.{name.replace('_', '-')} is {wanted}, but that of model.init.source "
                f"{model.init.source} is {found}",
                "leave the sizes out: they are those of the source",
            )


def _size(described: dict[str, Any], name: str) -> Any:
    if name in described:
        return described[name]
    return (described.get("rope_parameters") or {}).get(name)  # where newer files have the base


def check_vocabulary(folder: TokenFolder, rows: int, model: str, *, extendable: bool = False) -> None:
    """Refuse data with ids that a model has no row for.

    Parameters
    ----------
    folder
        The data.
    rows
        Rows of the model's embedding.
    model
        What the message calls it.
    extendable
        Whether rows could be added.

    Raises
    ------
    UsageError
        Naming the data, the model, and what each has.
    """
    if folder.largest is not None:
        check_largest(folder.path, folder.largest, rows, f"the model {model}")
    elif rows < folder.vocabulary_size:
        raise UsageError(
            f"{folder.path} was packed with {folder.vocabulary_size:,} token ids, but the model {model} "
            f"knows {rows:,}",
            "pack the documents with the tokenizer of the model"
            + (", or add rows for the others with --model.init.vocabulary extend" if extendable else ""),
        )


def check_length(length: int, longest: int, model: str) -> None:
    """Refuse rows longer than the texts a model is made for.

    Raises
    ------
    UsageError
        Naming the model and its length.
    """
    if length > longest:
        raise UsageError(
            f"rows have {length:,} tokens, but {model} is made for {longest:,}",
            "give a shorter --data.sequence-length",
        )
