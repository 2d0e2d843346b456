"""Perplexity and bits a byte of documents, each token scored once: ``--perplexity PATH``.

A document that is longer than the context of the model is scored window by window. The first scores all its
tokens, each further one the next ``stride`` tokens, with as many before them as fit. With a stride as long as
the context that is lm-eval's ``loglikelihood_rolling``; a shorter one sees more before each token and costs
more (https://huggingface.co/docs/transformers/perplexity has the idea).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prepcore.arguments import UsageError
from trainer.evaluate.measure import Outcome, Score
from trainer.evaluate.texts import Document, TextDocuments, TokenDocuments, documents_of
from trainer.tokenizer import Vocabulary

if TYPE_CHECKING:
    from trainer.evaluate.subject import Subject

AHEAD = 32
"""Batches of windows that are sorted by length before they are scored, so that little is padding."""

LARGEST = 700.0
"""Loss whose perplexity a float still holds."""

CHUNK = 1024
"""Positions whose logits are turned to fp32 at once."""


@dataclass(frozen=True)
class Window:
    """Tokens that a model reads, and how many of those that follow it are scored.

    Attributes
    ----------
    read
        Ids, at most as many as the context has.
    targets
        The ids that follow the last ``len(targets)`` of them.
    """

    read: Sequence[int]
    targets: Sequence[int]


def windows(ids: Sequence[int], before: int, *, context: int, stride: int) -> Iterator[Window]:
    """Cut a document into windows whose targets are all its tokens, each once, in order.

    Parameters
    ----------
    ids
        Its tokens.
    before
        The id that stands before the first.
    context
        Tokens that the model reads at once.
    stride
        Tokens that a window scores after the first one, at most ``context``.
    """
    whole = [before, *ids]
    end = min(context, len(ids))
    scored = 0
    while scored < len(ids):
        yield Window(whole[max(0, end - context) : end], ids[scored:end])
        scored, end = end, min(end + stride, len(ids))


@dataclass(frozen=True, kw_only=True)
class Perplexity:
    """Perplexity on one token folder, or on files of text.

    Attributes
    ----------
    path
        Where the documents lie.
    label
        What tells it from others in results.
    column
        Where the text stands in JSONL and Parquet.
    context, stride
        See the module; None: all that the model takes, and all of a window.
    limit
        Documents to take from the beginning; None: all.
    checkpoints
        Folders that will be measured, whose tokenizers must fit.
    """

    path: Path
    label: str
    column: str = "text"
    context: int | None = None
    stride: int | None = None
    limit: int | None = None
    checkpoints: tuple[Path, ...] = ()

    @property
    def name(self) -> str:
        """``perplexity:`` and the label."""
        return f"perplexity:{self.label}"

    @cached_property
    def documents(self) -> TokenDocuments | TextDocuments:
        """What is read."""
        return documents_of(self.path, self.column)

    def settings(self) -> Mapping[str, Any]:
        """Return what decides its outcome; the documents are known by a fingerprint."""
        return {
            "documents": self.documents.fingerprint,
            "context": self.context,
            "stride": self.stride,
            "limit": self.limit,
        }

    def check(self) -> None:
        """Find mistakes before torch is imported.

        Raises
        ------
        UsageError
            When nothing can be read there, or its ids mean other tokens to a checkpoint.
        """
        for checkpoint in self.checkpoints:
            self.documents.check(checkpoint)

    def run(self, subject: Subject) -> Outcome:
        """Score an open checkpoint.

        Raises
        ------
        UsageError
            When the stride does not fit the model, or an id is beyond its vocabulary.
        """
        longest = int(getattr(subject.model.config, "max_position_embeddings", 0) or 2048)
        context = min(self.context or longest, longest)
        stride = context if self.stride is None else self.stride
        if stride > context:
            raise UsageError(
                f"stride is {stride:,}, wanted at most {context:,}, which the model reads at once",
                "leave it out for a stride as long as that",
            )
        before = id_before(subject)
        tally = Tally()
        cut = (
            window
            for document in tally.counted(islice(self.documents.read(subject.tokenizer), self.limit))
            for window in windows(document.ids, before, context=context, stride=stride)
        )
        nats = sum(losses(subject, cut))
        if not tally.tokens:
            raise UsageError(f"{self.path} has no tokens", "wanted documents with text")
        loss = nats / tally.tokens
        text_bytes = round(tally.bytes)
        scores = {"perplexity": math.exp(loss) if loss < LARGEST else math.inf, "loss": loss}
        if text_bytes:
            scores["bits_per_byte"] = nats / math.log(2) / text_bytes
        return Outcome(
            scores={metric: Score(value) for metric, value in scores.items()},
            main="perplexity",
            higher_is_better=False,
            documents=tally.documents,
            details={
                "tokens": tally.tokens,
                "bytes": text_bytes,
                "context": context,
                "stride": stride,
                "before": before,
                **({"split": self.documents.split} if isinstance(self.documents, TokenDocuments) else {}),
            },
        )


@dataclass
class Tally:
    """What was read so far."""

    documents: int = 0
    tokens: int = 0
    bytes: float = 0.0

    def counted(self, documents: Iterator[Document]) -> Iterator[Document]:
        """Pass documents on, and count them."""
        for document in documents:
            self.documents += 1
            self.tokens += len(document.ids)
            self.bytes += document.bytes
            yield document


def id_before(subject: Subject) -> int:
    """Return the id that stands before each document, which is never scored itself.

    As lm-eval has it: the beginning token, or the end token where there is none. With ``bos`` off it is the
    end token, as between documents of a model that was trained without beginnings.

    Raises
    ------
    UsageError
        When the tokenizer has no such token.
    """
    stated = Vocabulary.read(subject.folder)
    config = subject.model.config
    bos = config.bos_token_id if stated.bos is None else stated.bos
    eos = config.eos_token_id if stated.eos is None else stated.eos
    eos = eos[0] if isinstance(eos, list) else eos
    choices = {None: (bos, eos), True: (bos,), False: (eos,)}[subject.bos]
    found = next((int(token) for token in choices if token is not None), None)
    if found is None:
        wanted = {None: "beginning or end", True: "beginning", False: "end"}[subject.bos]
        raise UsageError(f"{subject.folder} has no {wanted} token to stand before a document", "see --bos")
    return found


def losses(subject: Subject, cut: Iterator[Window]) -> Iterator[float]:
    """Score windows in batches of similar length and yield the nats of each batch."""
    while ahead := list(islice(cut, AHEAD * subject.batch_size)):
        ahead.sort(key=lambda window: len(window.read), reverse=True)
        for first in range(0, len(ahead), subject.batch_size):
            yield _batch_loss(subject, ahead[first : first + subject.batch_size])


def _batch_loss(subject: Subject, batch: Sequence[Window]) -> float:
    """Return the summed nats of the targets of a batch."""
    import torch
    from torch.nn import functional as F

    length = len(batch[0].read)
    rows = len(subject.model.get_input_embeddings().weight)
    ids = torch.zeros(len(batch), length, dtype=torch.int64)  # padding comes last, where nothing sees it
    targets = torch.full((len(batch), length), -100, dtype=torch.int64)
    for line, window in enumerate(batch):
        read, scored = len(window.read), len(window.targets)
        ids[line, :read] = torch.tensor(window.read)
        targets[line, read - scored : read] = torch.tensor(window.targets)
    if (largest := max(int(ids.max()), int(targets.max()))) >= rows:
        raise UsageError(
            f"the documents have the id {largest:,}, and the model {subject.folder} knows {rows:,}",
            "measure it on documents packed with its own tokenizer",
        )
    with torch.inference_mode():
        logits = subject.model(input_ids=ids.to(subject.device), use_cache=False).logits.flatten(0, 1)
        wanted = targets.flatten().to(logits.device)
        kept = (wanted != -100).nonzero().flatten()
        total = 0.0
        for part in kept.split(CHUNK):
            total += F.cross_entropy(logits[part].float(), wanted[part], reduction="sum").item()
    return total
