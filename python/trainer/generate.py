"""Continuing a text, a token at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream
from torch import Tensor
from transformers import AutoModelForCausalLM, DynamicCache, PreTrainedModel

from prepcore.arguments import UsageError
from trainer.config import GenerateConfig
from trainer.run_folder import check_model_folder
from trainer.tokenizer import open_tokenizer


def generate(config: GenerateConfig) -> Iterator[str]:
    """Yield the prompt, then its continuation in pieces as they are made.

    Raises
    ------
    UsageError
        When the folder has no model that can be opened, or no ``tokenizer.json``.
    """
    folder = Path(config.checkpoint[0])
    check_model_folder(folder)
    tokenizer = open_tokenizer(folder)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    try:
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).to(device).eval()
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{folder}: there is no model that transformers can open ({str(error).splitlines()[0]})",
            "wanted a folder with config.json and safetensors files",
        ) from error
    yield config.prompt
    ids = encode_prompt(tokenizer, config.prompt, model)
    sampled = stream_tokens(
        model,
        ids,
        max_new_tokens=config.max_new_tokens,
        temperature=config.temperature,
        top_k=config.top_k,
        top_p=config.top_p,
        seed=config.seed,
    )
    yield from stream_text(tokenizer, ids, sampled)


def encode_prompt(tokenizer: Tokenizer, prompt: str, model: PreTrainedModel) -> list[int]:
    """Encode a prompt as the beginning of a document.

    A model that was trained with a beginning token gets it in front. One that was not, as GPT-2, knows the
    start of a document by the end of the one before, which an empty prompt needs.
    """
    bos, eos = model.config.bos_token_id, model.config.eos_token_id
    ids: list[int] = tokenizer.encode(prompt, add_special_tokens=False).ids
    if bos is not None:
        return [bos, *ids]
    if ids:
        return ids
    ends = end_tokens(eos)
    if not ends:
        raise UsageError("the model has no token that begins a text", "give a --prompt to continue")
    return [min(ends)]


def end_tokens(eos: int | list[int] | None) -> set[int]:
    """Return the ids that end a text, whichever way a configuration states them."""
    if eos is None:
        return set()
    return {eos} if isinstance(eos, int) else set(eos)


@torch.inference_mode()
def stream_tokens(
    model: PreTrainedModel,
    ids: list[int],
    *,
    max_new_tokens: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 0,
) -> Iterator[int]:
    """Yield the ids that continue ``ids``, up to the end of the text or to ``max_new_tokens``.

    Parameters
    ----------
    model
        In evaluation mode.
    ids
        At least one token.
    max_new_tokens
        How many at most; the token that ends a text is not given.
    temperature
        Divides the logits; 0 takes the likeliest token.
    top_k, top_p
        Sample among the k likeliest tokens; among the fewest likely ones that hold this share (Holtzman et
        al., 2020).
    seed
        Seed of the draws, which leave every other generator alone.
    """
    device = model.device
    generator = torch.Generator(device).manual_seed(seed)
    cache = DynamicCache(config=model.config)
    ends = end_tokens(model.config.eos_token_id)
    step = torch.tensor([ids], device=device)
    for _ in range(max_new_tokens):
        logits = model(input_ids=step, past_key_values=cache, use_cache=True, logits_to_keep=1).logits[0, -1]
        chosen = choose(logits.float(), temperature, top_k, top_p, generator)
        token = int(chosen)
        if token in ends:
            return
        yield token
        step = chosen.view(1, 1)


def choose(
    logits: Tensor, temperature: float, top_k: int | None, top_p: float | None, generator: torch.Generator
) -> Tensor:
    """Choose the next token from logits of shape ``(vocabulary,)``."""
    if temperature == 0:
        return logits.argmax()
    logits = logits / temperature
    if top_k is not None and top_k < logits.numel():
        logits = logits.masked_fill(logits < logits.topk(top_k).values[-1], float("-inf"))
    if top_p is not None:
        sorted_logits, order = logits.sort(descending=True)
        shares = sorted_logits.softmax(dim=0)
        # A token stays when those before it hold less than the share, so the likeliest always stays.
        beyond = shares.cumsum(dim=0) - shares >= top_p
        beyond[0] = False
        logits = logits.masked_fill(torch.zeros_like(beyond).scatter(0, order, beyond), float("-inf"))
    return torch.multinomial(logits.softmax(dim=0), 1, generator=generator).squeeze(0)


def stream_text(tokenizer: Tokenizer, ids: list[int], sampled: Iterator[int]) -> Iterator[str]:
    """Yield the text of sampled tokens as soon as each piece is whole characters.

    Parameters
    ----------
    tokenizer
        The model's.
    ids
        The tokens before, which decide whether a piece begins with a space.
    sampled
        The new tokens.
    """
    stream = DecodeStream(ids=ids, skip_special_tokens=True)
    for token in sampled:
        piece = stream.step(tokenizer, token)
        if piece:
            yield piece
