"""A bigram language model to beat: interpolated Kneser-Ney, fitted and scored on a token folder.

Fitted on the training rows and scored on the targets of the validation rows, which are those of
`python -m trainer fit`: in a row of L tokens, each of the last L - 1 given the token before it.

    python examples/bigram.py demo/tokens --run demo/runs/demo
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]


class KneserNeyBigram:
    """P(word | previous) from discounted counts, interpolated with how many words a word was seen to follow.

    Both levels take their discount from the counts of counts, D = n1 / (n1 + 2 n2) (Ney, Essen and Kneser,
    1994); the lower level is interpolated with the uniform distribution, so every word has a chance.

    Parameters
    ----------
    previous, following
        The pairs of the training rows, shape ``(pairs,)`` each.
    vocabulary_size
        Number of words.
    """

    def __init__(self, previous: Ids, following: Ids, vocabulary_size: int) -> None:
        self.vocabulary_size = vocabulary_size
        self.pairs, self.pair_counts = np.unique(previous * vocabulary_size + following, return_counts=True)
        contexts, words = np.divmod(self.pairs, vocabulary_size)
        self.discount = discount_of(self.pair_counts)
        self.context_counts = np.bincount(contexts, self.pair_counts, minlength=vocabulary_size)
        self.followers = np.bincount(contexts, minlength=vocabulary_size)
        self.continuation = continuation_probabilities(np.bincount(words, minlength=vocabulary_size))

    def probabilities(self, previous: Ids, following: Ids) -> NDArray[np.float64]:
        """Return P(following | previous), shape ``(pairs,)``."""
        wanted = previous * self.vocabulary_size + following
        places = np.searchsorted(self.pairs, wanted).clip(max=len(self.pairs) - 1)
        counts = np.where(self.pairs[places] == wanted, self.pair_counts[places], 0)
        seen = self.context_counts[previous]
        mass_left = np.divide(
            self.discount * self.followers[previous], seen, out=np.ones(len(wanted)), where=seen > 0
        )
        kept = np.divide(
            (counts - self.discount).clip(min=0), seen, out=np.zeros(len(wanted)), where=seen > 0
        )
        probabilities: NDArray[np.float64] = kept + mass_left * self.continuation[following]
        return probabilities


def discount_of(counts: NDArray[Any]) -> float:
    """Return n1 / (n1 + 2 n2), where n1 things were seen once and n2 twice; 0.5 where that says nothing."""
    once, twice = int(np.sum(counts == 1)), int(np.sum(counts == 2))
    return once / (once + 2 * twice) if once and twice else 0.5


def continuation_probabilities(contexts: NDArray[Any]) -> NDArray[np.float64]:
    """Return the lower level: the share of contexts a word follows, discounted towards uniform.

    Parameters
    ----------
    contexts
        In how many different contexts each word was seen, shape ``(vocabulary,)``.
    """
    discount = discount_of(contexts)
    mass_left = discount * np.count_nonzero(contexts) / contexts.sum()
    probabilities: NDArray[np.float64] = (contexts - discount).clip(min=0) / contexts.sum()
    return probabilities + mass_left / len(contexts)


def pairs_of(folder: Path, manifest: dict[str, Any]) -> tuple[Ids, Ids]:
    """Return (previous, following) of every target in the rows of a token folder or its validation folder."""
    length = manifest["sequence_length"]
    files = [np.fromfile(path, dtype=manifest["dtype"]) for path in sorted(folder.glob("tokens-*.ds"))]
    tokens = np.concatenate(files).astype(np.int64)
    rows = tokens[: len(tokens) // length * length].reshape(-1, length)
    return rows[:, :-1].ravel(), rows[:, 1:].ravel()


def validation_loss(folder: Path) -> float:
    """Return the mean loss in nats a token on the validation rows of a token folder."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    model = KneserNeyBigram(*pairs_of(folder, manifest), manifest["tokenizer"]["vocabulary_size"])
    loss: float = -np.log(model.probabilities(*pairs_of(folder / "validation", manifest))).mean()
    return loss


def last_validation(run: Path) -> tuple[int, float]:
    """Return step and loss of the last validation in the log of a run of the trainer."""
    with (run / "metrics.csv").open(encoding="utf-8", newline="") as lines:
        validated = [line for line in csv.DictReader(lines) if line["validation_loss"]]
    return int(validated[-1]["step"]), float(validated[-1]["validation_loss"])


def main() -> None:
    parser = argparse.ArgumentParser(
        description="The validation loss of a Kneser-Ney bigram, in nats a token."
    )
    parser.add_argument("folder", type=Path, help="token folder with a validation folder in it")
    parser.add_argument(
        "--run", type=Path, action="append", default=[], help="a training run to print beside it"
    )
    arguments = parser.parse_args()
    print("validation loss, nats a token")
    print(f"  {validation_loss(arguments.folder):.4f}  interpolated Kneser-Ney bigram")
    for run in arguments.run:
        step, loss = last_validation(run)
        print(f"  {loss:.4f}  {run} after {step} steps")


if __name__ == "__main__":
    main()
