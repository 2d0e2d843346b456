"""Continuations of a user's prompts, held against references: BLEU, ROUGE and exact match.

A file of JSON lines, each ``{"prompt": "…", "reference": "…"}`` or with ``"references": ["…", …]``. BLEU is
that of sacrebleu (Post, 2018), ROUGE (Lin, 2004) that of the package rouge-score.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prepcore.arguments import UsageError
from trainer.evaluate.measure import Outcome, Score
from trainer.evaluate.records import Record, as_text, digest, read_records
from trainer.evaluate.sampling import Sampling

if TYPE_CHECKING:
    from trainer.evaluate.continuation import Continuation
    from trainer.evaluate.subject import Subject

RESAMPLES = 1000
"""Samples of the bootstrap, as many as sacrebleu draws by default."""

ROUGE = ("rouge1", "rouge2", "rougeL")


@dataclass(frozen=True)
class Reference:
    """A prompt and the texts that would be right.

    Attributes
    ----------
    prompt
        What is continued.
    texts
        At least one.
    """

    prompt: str
    texts: tuple[str, ...]

    @classmethod
    def of(cls, record: Record) -> Reference:
        """Read one from a record.

        Raises
        ------
        UsageError
            Naming the line.
        """
        prompt = record.text("prompt")
        if "references" not in record.values:
            return cls(prompt, (record.text("reference"),))
        listed = record.values["references"]
        if not isinstance(listed, list) or not listed:
            raise UsageError(f"{record.place}: references is no list of texts", "or give one `reference`")
        return cls(prompt, tuple(as_text(text, record.place, "references") for text in listed))


@dataclass(frozen=True, kw_only=True)
class References:
    """Scores continuations against references.

    Attributes
    ----------
    path
        The file.
    sampling
        How prompts are continued.
    ignore_case
        Whether case is ignored by the exact match.
    limit
        Only so many of the first prompts, or None for all.
    checkpoints
        Folders that will be measured, which must have room for the continuations.
    """

    path: Path
    sampling: Sampling = field(default_factory=Sampling)
    ignore_case: bool = False
    limit: int | None = None
    checkpoints: tuple[Path, ...] = ()

    @property
    def name(self) -> str:
        """What it is called in results."""
        return f"references:{self.path.name}"

    def settings(self) -> Mapping[str, Any]:
        """Return what decides the outcome, the content of the file included."""
        return {
            "file": self.path.name,
            "sha256": digest(self.path),
            "limit": self.limit,
            "ignore_case": self.ignore_case,
            "sacrebleu": version("sacrebleu"),
            "rouge_score": version("rouge_score"),
            **self.sampling.settings(),
        }

    def check(self) -> None:
        """Read the file and look for the packages.

        Raises
        ------
        UsageError
            When a line is not as it should be, a package is not there, or a model has too few positions.
        """
        from importlib.util import find_spec

        for package in ("sacrebleu", "rouge_score"):
            if find_spec(package) is None:
                raise UsageError(
                    f"--references needs the package {package.replace('_', '-')}",
                    "install the extra `eval`, in a clone with: pip install '.[eval]'",
                )
        for checkpoint in self.checkpoints:
            self.sampling.check_folder(checkpoint)
        _ = self.references

    @cached_property
    def references(self) -> Sequence[Reference]:
        """The prompts and their references."""
        return [Reference.of(record) for record in read_records(self.path, "references")][: self.limit]

    def run(self, subject: Subject) -> Outcome:
        """Continue every prompt and score the continuations."""
        from trainer.evaluate.continuation import continuations

        found = continuations(
            subject.model,
            subject.tokenizer,
            [prompt_ids(subject, reference.prompt) for reference in self.references],
            self.sampling,
            batch_size=subject.batch_size,
        )
        made = [continuation for _, continuation in sorted(found, key=lambda pair: pair[0])]
        texts = [continuation.text for continuation in made]
        per_prompt = {
            "exact_match": [
                float(matches(text, reference.texts, ignore_case=self.ignore_case))
                for text, reference in zip(texts, self.references, strict=True)
            ],
            **rouge(texts, self.references),
        }
        score, signature = bleu(texts, self.references)
        scores = {"bleu": score, **{name: mean(values) for name, values in per_prompt.items()}}
        return Outcome(
            scores=scores,
            main="bleu",
            documents=len(texts),
            details={
                "bleu": signature,
                "rouge": "F1, without stemming, the best of several references",
                "exact_match": "white space at both ends left out"
                + (", case ignored" if self.ignore_case else ""),
                "tokens": sum(continuation.tokens for continuation in made),
                "at_limit": sum(not continuation.ended for continuation in made),
                "cut_prompts": sum(continuation.cut > 0 for continuation in made),
            },
            files={f"{self.path.stem}.predictions.jsonl": self._predictions(made, per_prompt)},
        )

    def _predictions(self, made: Sequence[Continuation], per_prompt: Mapping[str, Sequence[float]]) -> str:
        """Return the continuations with the scores that each has of its own, JSON lines."""
        lines = []
        for index, (reference, continuation) in enumerate(zip(self.references, made, strict=True)):
            record = {
                "prompt": reference.prompt,
                "prediction": continuation.text,
                "references": list(reference.texts),
                "ended": continuation.ended,
                **{name: values[index] for name, values in per_prompt.items()},
            }
            lines.append(json.dumps(record, ensure_ascii=False) + "\n")
        return "".join(lines)


def prompt_ids(subject: Subject, prompt: str) -> list[int]:
    """Encode a prompt; whether a beginning token comes first is the subject's setting.

    An empty prompt needs one in any case, or the token that ends the text before.

    Raises
    ------
    UsageError
        When the prompt is empty and the model has no such token.
    """
    from trainer.generate import encode_prompt

    if subject.bos or not prompt:
        return encode_prompt(subject.tokenizer, prompt, subject.model)
    template = subject.bos is None
    ids: list[int] = subject.tokenizer.encode(prompt, add_special_tokens=template).ids
    return ids


def matches(text: str, references: Sequence[str], *, ignore_case: bool = False) -> bool:
    """Say whether a text is one of the references, but for white space at both ends."""

    def normal(value: str) -> str:
        value = value.strip()
        return value.casefold() if ignore_case else value

    return normal(text) in {normal(reference) for reference in references}


def rouge(texts: Sequence[str], references: Sequence[Reference]) -> dict[str, list[float]]:
    """Return the F1 of ROUGE-1, -2 and -L of each text, 0 to 1; of several references the best counts."""
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(list(ROUGE), use_stemmer=False)
    scores = [
        scorer.score_multi(reference.texts, text) for text, reference in zip(texts, references, strict=True)
    ]
    return {name: [float(score[name].fmeasure) for score in scores] for name in ROUGE}


def bleu(texts: Sequence[str], references: Sequence[Reference], *, seed: int = 0) -> tuple[Score, str]:
    """Return sacrebleu's BLEU of the whole, 0 to 100, and its signature.

    The standard error is that of a bootstrap over the prompts (Koehn, 2004), without which the score of a
    small file says little.
    """
    import numpy as np
    from sacrebleu.metrics import BLEU

    most = max(len(reference.texts) for reference in references)
    streams = [
        [reference.texts[index] if index < len(reference.texts) else None for reference in references]
        for index in range(most)
    ]
    metric = BLEU(force=True)
    whole = metric.corpus_score(texts, streams)
    # What BLEU is made of adds up over texts. Of one text alone, sacrebleu wants the effective order.
    single = BLEU(force=True, effective_order=True)
    parts = []
    for text, reference in zip(texts, references, strict=True):
        part = single.sentence_score(text, reference.texts)
        parts.append([part.sys_len, part.ref_len, *part.counts, *part.totals])
    counts = np.array(parts)
    draws = np.random.default_rng(seed).integers(len(parts), size=(RESAMPLES, len(parts)))
    values = []
    for draw in draws:
        system, reference_length, *grams = counts[draw].sum(axis=0).tolist()
        order = len(grams) // 2
        resampled = BLEU.compute_bleu(
            grams[:order], grams[order:], system, reference_length, smooth_method=metric.smooth_method
        )
        values.append(resampled.score)
    stderr = float(np.std(values, ddof=1)) if len(parts) > 1 else None
    return Score(whole.score, stderr), str(metric.get_signature())


def mean(values: Sequence[float]) -> Score:
    """Return a mean and its standard error, that of the sample over the root of the count."""
    count = len(values)
    middle = math.fsum(values) / count
    if count < 2:
        return Score(middle)
    variance = math.fsum((value - middle) ** 2 for value in values) / (count - 1)
    return Score(middle, math.sqrt(variance / count))
