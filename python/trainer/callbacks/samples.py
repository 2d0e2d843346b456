"""The same prompts continued at each validation: what a loss looks like as text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
from tokenizers import Tokenizer

from trainer.callbacks.lines import append, cut_after
from trainer.display import Display
from trainer.generate import encode_prompt, stream_text, stream_tokens
from trainer.loggers import Logger
from trainer.sharding import outer_weights

NEW_TOKENS = 60
# Below 1, for a small model wanders at 1 and repeats itself at 0.
TEMPERATURE = 0.8


COLUMNS = ("step", "prompt", "continuation")


class Samples(lightning.Callback):
    """Continues prompts with a fixed seed, on the screen, in a file, and for the loggers.

    Parameters
    ----------
    prompts
        The texts to continue.
    tokenizer
        The data's.
    path
        CSV file that the samples are added to. Lines after ``first_step`` are cut off.
    display
        The screen.
    first_step
        Step the run begins or continues at.
    loggers
        Who else hears of each sample.
    first
        Whether this process is the one of several that writes. Where each has a part of the weights, all have
        to continue the prompts alike, and else only the first.
    """

    def __init__(
        self,
        prompts: Sequence[str],
        tokenizer: Tokenizer,
        path: Path,
        display: Display,
        *,
        first_step: int,
        loggers: Sequence[Logger] = (),
        first: bool = True,
    ) -> None:
        self.prompts = tuple(prompts)
        self.tokenizer = tokenizer
        self.path = path
        self.display = display
        self.loggers = tuple(loggers)
        self.first = first
        if first:
            cut_after(path, COLUMNS, first_step)

    def on_validation_end(self, trainer: lightning.Trainer, module: Any) -> None:
        """Continue every prompt."""
        module.eval()
        with outer_weights(module):
            continuations = [self._continue(module, prompt) for prompt in self.prompts]
        module.train()
        if not self.first:
            return
        step = trainer.global_step
        for prompt, continuation in zip(self.prompts, continuations, strict=True):
            append(self.path, COLUMNS, {"step": step, "prompt": prompt, "continuation": continuation})
            for logger in self.loggers:
                logger.text(step, prompt, continuation)
            self.display.line("  | " + (prompt + continuation).replace("\n", "\n  | "))

    def _continue(self, module: Any, prompt: str) -> str:
        ids = encode_prompt(self.tokenizer, prompt, module.model)
        sampled = stream_tokens(module.model, ids, max_new_tokens=NEW_TOKENS, temperature=TEMPERATURE)
        return "".join(stream_text(self.tokenizer, ids, sampled))
