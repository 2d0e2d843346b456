"""Continuing many prompts, several at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from trainer.evaluate.sampling import Sampling
from trainer.generate import choose, end_tokens


@dataclass(frozen=True)
class Continuation:
    """What a model made of a prompt.

    Attributes
    ----------
    text
        Without the prompt, and without what ended it.
    tokens
        Tokens that were made, without the one that ends a text.
    ended
        Whether the model or a stop text ended it, and not the limit.
    cut
        Tokens of the prompt that were left out at its beginning, for the model has no room for them.
    """

    text: str
    tokens: int
    ended: bool
    cut: int


def continuations(
    model: PreTrainedModel,
    tokenizer: Tokenizer,
    prompts: Sequence[Sequence[int]],
    sampling: Sampling,
    *,
    batch_size: int,
    numbers: Sequence[int] | None = None,
) -> Iterator[tuple[int, Continuation]]:
    """Yield the place of each prompt and its continuation, those of the longest prompts first.

    Prompts of a batch are padded on the left. Sums of floating-point numbers come in another order in a batch
    of another shape, so where two tokens are all but equally likely the batch size can decide.

    Parameters
    ----------
    model
        In evaluation mode.
    tokenizer
        The model's.
    prompts
        Ids, at least one each.
    sampling
        How.
    batch_size
        Prompts continued at once.
    numbers
        What the draws of each prompt depend on beside the seed; its place by default.

    Raises
    ------
    UsageError
        When the model has no room for so many new tokens.
    """
    room = getattr(model.config, "max_position_embeddings", None)
    sampling.check_room(room, "the model")
    kept = None if room is None else room - sampling.max_new_tokens
    numbers = range(len(prompts)) if numbers is None else numbers
    order = sorted(range(len(prompts)), key=lambda place: -len(prompts[place]))
    for start in range(0, len(order), batch_size):
        places = order[start : start + batch_size]
        rows = [
            _Row(place, prompts[place], kept, tokenizer, sampling, numbers[place], model.device)
            for place in places
        ]
        _continue(model, rows, sampling)
        for row in rows:
            yield row.place, row.continuation()


@dataclass
class _Row:
    """A prompt that is being continued."""

    place: int
    prompt: Sequence[int]
    kept: int | None
    tokenizer: Tokenizer
    sampling: Sampling
    number: int
    device: torch.device
    text: str = ""
    tokens: int = 0
    ended: bool = False
    ids: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.ids = list(self.prompt if self.kept is None else self.prompt[-self.kept :])
        self.stream = DecodeStream(ids=self.ids, skip_special_tokens=True)
        self.generator = torch.Generator(self.device).manual_seed(self.sampling.seed_of(self.number))

    def take(self, token: int, ends: set[int]) -> None:
        """Add a token to the text, or end it."""
        if token in ends:
            self.ended = True
            return
        self.tokens += 1
        piece = self.stream.step(self.tokenizer, token)
        if not piece:
            return
        self.text += piece
        found = [place for stop in self.sampling.stop if (place := self.text.find(stop)) >= 0]
        if found:
            self.text = self.text[: min(found)]
            self.ended = True

    def continuation(self) -> Continuation:
        return Continuation(self.text, self.tokens, self.ended, len(self.prompt) - len(self.ids))


@torch.inference_mode()
def _continue(model: PreTrainedModel, rows: Sequence[_Row], sampling: Sampling) -> None:
    """Continue the prompts of a batch together; a row that has ended leaves it."""
    ends = ending_tokens(model)
    width = max(len(row.ids) for row in rows)
    tokens = torch.zeros(len(rows), width, dtype=torch.long)
    mask = torch.zeros(len(rows), width, dtype=torch.long)
    for index, row in enumerate(rows):
        tokens[index, width - len(row.ids) :] = torch.tensor(row.ids)
        mask[index, width - len(row.ids) :] = 1
    tokens, mask = tokens.to(model.device), mask.to(model.device)
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    cache = DynamicCache(config=model.config)
    going = list(rows)
    for step in range(sampling.max_new_tokens):
        logits = model(
            input_ids=tokens,
            # Without padding there is nothing to mask, and attention may take its faster way.
            attention_mask=mask if bool((mask == 0).any()) else None,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]
        chosen = _choose(logits.float(), going, sampling.temperature)
        for row, token in zip(going, chosen.tolist(), strict=True):
            row.take(token, ends)
        left = [index for index, row in enumerate(going) if not row.ended]
        if not left or step + 1 == sampling.max_new_tokens:
            return
        if len(left) < len(going):
            kept = torch.tensor(left, device=model.device)
            cache.batch_select_indices(kept)
            chosen, mask, positions = chosen[kept], mask[kept], positions[kept]
            going = [going[index] for index in left]
        tokens = chosen.view(-1, 1)
        mask = torch.cat([mask, mask.new_ones(len(going), 1)], dim=1)
        positions = positions[:, -1:] + 1


def _choose(logits: Tensor, rows: Sequence[_Row], temperature: float) -> Tensor:
    """Choose the next token of each row from logits of shape ``(rows, vocabulary)``."""
    if temperature == 0:
        return logits.argmax(dim=-1)
    return torch.stack(
        [choose(line, temperature, None, None, row.generator) for line, row in zip(logits, rows, strict=True)]
    )


def ending_tokens(model: PreTrainedModel) -> set[int]:
    """Return the ids that end a text by either configuration: chat models state the end of a turn in one."""
    stated = [model.config.eos_token_id]
    if model.generation_config is not None:
        stated.append(model.generation_config.eos_token_id)
    return set().union(*map(end_tokens, stated))
