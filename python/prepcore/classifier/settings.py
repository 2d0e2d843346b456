"""What a user may set for ``prepcore classifier train``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypedDict

from prepcore.arguments import UsageError, check_size, option, options_of, parse_list, parse_share


def parse_labels(value: Any) -> list[str]:
    """Check the names of the two classes.

    Raises
    ------
    ValueError
        When they are not two different words.
    """
    labels = parse_list(value)
    if len(labels) != 2 or len(set(labels)) != 2 or any(len(label.split()) != 1 for label in labels):
        raise ValueError(f"{value!r} is not two different words, such as good,bad")
    return labels


@dataclass(frozen=True, kw_only=True)
class ClassifierTraining:
    """Settings of `train_classifier`. Those of training have fastText's own defaults."""

    text_column: str = option("text", "column, or JSON key, that holds the text", metavar="NAME")
    labels: list[str] = option(
        ["good", "bad"], "names of the two classes", metavar="GOOD,BAD", parse=parse_labels
    )
    sample: int = option(100_000, "most documents of each class, drawn evenly", minimum=1)
    held_out: float = option(
        0.1, "share of documents kept from training, to measure with", metavar="SHARE", parse=parse_share
    )
    keep_rate: float = option(
        0.3, "share of documents that the suggested threshold keeps", metavar="SHARE", parse=parse_share
    )
    pool: list[str] = option(
        [],
        "documents that --keep-rate is a share of; the held-out ones of both classes by default",
        metavar="INPUT,…",
        parse=parse_list,
    )
    dim: int = option(100, "numbers that stand for a word", minimum=1, maximum=4096)
    epochs: int = option(5, "times that each document is learned from", minimum=1)
    learning_rate: float = option(0.1, "learning rate at the beginning", minimum=0)
    word_ngrams: int = option(1, "longest sequence of words that counts, such as 2 for pairs", minimum=1)
    buckets: int = option(2_000_000, "rows that share the sequences of words", minimum=1)
    min_count: int = option(1, "words seen fewer times than this are not learned", minimum=1)
    quantize: bool = option(False, "write the small form of the model, .ftz")
    seed: int = option(0, "seed of the draw and of training", minimum=0, maximum=2**31 - 1)
    threads: int = option(
        1, "threads that train; more than 1 give other weights each time", minimum=1, maximum=1024
    )
    memory: str = option("1GiB", "memory for reading", metavar="SIZE", parse=check_size)
    overwrite: bool = option(False, "replace FILE where it exists")

    def __post_init__(self) -> None:
        """Check what a Python caller gave as the command line would have."""
        for entry in options_of(ClassifierTraining):
            value = getattr(self, entry.key)
            if entry.parse is not None:
                try:
                    object.__setattr__(self, entry.key, entry.parse(value))
                except ValueError as error:
                    raise UsageError(f"--{entry.name}: {error}") from error
            elif (entry.minimum is not None and value < entry.minimum) or (
                entry.maximum is not None and value > entry.maximum
            ):
                raise UsageError(f"--{entry.name}: got {value}, expected {entry.wanted()}")


class TrainingSettings(TypedDict, total=False):
    """Settings of `train_classifier`, those of `ClassifierTraining`."""

    text_column: str
    labels: list[str]
    sample: int
    held_out: float
    keep_rate: float
    pool: list[str]
    dim: int
    epochs: int
    learning_rate: float
    word_ngrams: int
    buckets: int
    min_count: int
    quantize: bool
    seed: int
    threads: int
    memory: str
    overwrite: bool


@dataclass(frozen=True, kw_only=True)
class ClassifierTrainingCommand(ClassifierTraining):
    """Command line of `prepcore classifier train`."""

    inputs: list[str] = option(
        help="documents to keep: files, folders or globs, as `prepcore clean` reads them",
        metavar="GOOD…",
        positional=True,
    )
    against: list[str] = option(
        help="documents to drop, such as a part of the crawl itself", metavar="BAD,…", parse=parse_list
    )
    out: str = option(help="model to write; FILE.json beside it says how it was made", metavar="FILE")
    quiet: bool = option(False, "no progress and no summary, only errors")
    json: bool = option(False, "print FILE.json on standard output")
