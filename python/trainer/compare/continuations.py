"""The same prompts continued by all that are compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from trainer.compare.logs import Line
from trainer.compare.subjects import Compared
from trainer.config.comparing import CompareConfig


def logged(samples: Mapping[str, Sequence[Line]]) -> list[dict[str, Any]]:
    """Take the newest continuations that runs have logged, of the prompts that they have in common.

    Parameters
    ----------
    samples
        Lines of ``samples.csv`` by key, up to the step that counts.

    Returns
    -------
    list
        For each prompt ``prompt`` and ``continuations``: by key a ``text`` and its ``step``. Prompts that all
        have who have any; where there are none, those that at least two have; of a single one all.
    """
    newest: dict[str, dict[str, Any]] = {}
    for key, lines in samples.items():
        for line in lines:
            if line.get("prompt") is not None and line.get("continuation") is not None:
                found = {"text": line["continuation"], "step": int(line["step"])}
                newest.setdefault(key, {})[line["prompt"]] = found
    had = Counter(prompt for found in newest.values() for prompt in found)
    wanted = len(newest) if len(newest) in had.values() else 2
    return [
        {
            "prompt": prompt,
            "continuations": {key: found[prompt] for key, found in newest.items() if prompt in found},
        }
        for prompt, times in had.items()
        if times >= wanted
    ]


def generated(
    config: CompareConfig, all_compared: Sequence[Compared], prompts: Sequence[str]
) -> list[dict[str, Any]]:
    """Continue prompts with every checkpoint, one open at a time, as ``python -m trainer generate`` does.

    Raises
    ------
    UsageError
        When a checkpoint cannot be opened, or has no tokenizer.
    """
    import torch

    from trainer.evaluate.subject import Subject
    from trainer.generate import encode_prompt, stream_text, stream_tokens

    device, dtype = ("cuda", "bf16") if torch.cuda.is_available() else ("cpu", "fp32")
    made: list[dict[str, Any]] = [{"prompt": prompt, "continuations": {}} for prompt in prompts]
    for compared in all_compared:
        if compared.checkpoint is None:
            continue
        subject = Subject(compared.checkpoint, dtype=dtype, device=device)
        for entry in made:
            ids = encode_prompt(subject.tokenizer, entry["prompt"], subject.model)
            sampled = stream_tokens(
                subject.model,
                ids,
                max_new_tokens=config.max_new_tokens,
                temperature=config.temperature,
                seed=config.seed,
            )
            text = "".join(stream_text(subject.tokenizer, ids, sampled))
            entry["continuations"][compared.key] = {"text": text, "step": compared.step}
    return made
