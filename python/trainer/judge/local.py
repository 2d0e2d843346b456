"""A model on this machine as the judge.

A small model rarely keeps to a form, so nothing is parsed: the verdict is the letter, of the three it may
reply with, to which the model gives the largest log-likelihood.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.evaluate.place import check_checkpoint, resolve_device
from trainer.judge.answers import chat_text, checkpoint_name, fingerprint, has_chat_template
from trainer.judge.verdict import ASK_LETTER, LETTERS, Instructions, Opinion

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from trainer.evaluate.subject import Subject

CUE = "\n\nVerdict:"
"""What stands before the letter where the model has no chat template."""


@dataclass(frozen=True)
class LocalJudge:
    """A model that judges by the likelihood of its verdict.

    Attributes
    ----------
    folder
        Hugging Face folder.
    instructions
        What it reads.
    dtype, device
        As for checkpoints; may be ``auto``.
    """

    folder: Path
    instructions: Instructions
    dtype: str = "auto"
    device: str = "auto"
    threads: int = 1

    @property
    def name(self) -> str:
        """Its folder's name."""
        return checkpoint_name(self.folder)

    @cached_property
    def chat(self) -> bool:
        """Whether it has a chat template."""
        return has_chat_template(self.folder)

    def settings(self) -> Mapping[str, Any]:
        """Return what decides its opinions, for JSON."""
        return {
            "kind": "local",
            "model": self.name,
            "sha256": self._fingerprint,
            "dtype": self.dtype,
            "chat": self.chat,
            "instructions": self.instructions.text + ASK_LETTER + ("" if self.chat else CUE),
        }

    @cached_property
    def _fingerprint(self) -> str:
        return fingerprint(self.folder)

    def check(self) -> None:
        """Refuse a folder that is no model.

        Raises
        ------
        UsageError
            When it has no model, weights or tokenizer.
        """
        check_checkpoint(self.folder)

    @cached_property
    def _subject(self) -> Subject:
        from trainer.evaluate.subject import Subject

        device, dtype = resolve_device(self.device, self.dtype)
        return Subject(self.folder, dtype, device)

    def compare(self, prompt: str, first: str, second: str) -> Opinion:
        """Compare two answers to a prompt."""
        from trainer.generate import encode_prompt

        subject = self._subject
        text = self.instructions.about(prompt, first, second) + ASK_LETTER
        if self.chat:
            text = chat_text(subject, text)
            rows = [
                subject.tokenizer.encode(text + letter, add_special_tokens=False).ids for letter in LETTERS
            ]
        else:
            text += CUE
            rows = [encode_prompt(subject.tokenizer, f"{text} {letter}", subject.model) for letter in LETTERS]
        room = getattr(subject.model.config, "max_position_embeddings", None)
        longest = max(map(len, rows))
        if room is not None and longest > room:
            return Opinion(
                None, f"the comparison is {longest:,} tokens, and the judge has room for {room:,}", 0
            )
        values = log_likelihoods(subject.model, rows)
        shown = {letter: round(value, 4) for letter, value in zip(LETTERS, values, strict=True)}
        if not all(value == value for value in values):
            return Opinion(None, "its log-likelihoods are not numbers", 1)
        letter = max(shown, key=lambda one: values[list(LETTERS).index(one)])
        return Opinion(LETTERS[letter], letter, 1, {"log_likelihoods": shown})


def log_likelihoods(model: PreTrainedModel, rows: Sequence[Sequence[int]]) -> list[float]:
    """Return the log-likelihood of each row after what all have in common, in nats.

    Parameters
    ----------
    model
        In evaluation mode.
    rows
        Ids that begin alike; none of them is the beginning of another.
    """
    import torch
    from transformers import DynamicCache

    shared = 0
    while all(row[shared] == rows[0][shared] for row in rows):
        shared += 1
    with torch.inference_mode():
        cache = DynamicCache(config=model.config)
        logits = (
            model(
                input_ids=torch.tensor([rows[0][:shared]], device=model.device),
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            .logits[0]
            .float()
        )
        values = []
        for row in rows:
            rest = torch.tensor(row[shared:], device=model.device)
            lines = logits
            if len(rest) > 1:
                # A model adds to its cache, and each row begins after the same text.
                more = model(
                    input_ids=rest[None, :-1], past_key_values=copy.deepcopy(cache), use_cache=True
                ).logits[0]
                lines = torch.cat([logits, more.float()])
            chosen = lines.log_softmax(dim=-1).gather(1, rest[:, None])
            values.append(float(chosen.sum()))
    return values
