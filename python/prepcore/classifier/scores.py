"""How well scores tell two classes apart, and the threshold that keeps a share of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby


def measures(good: Sequence[float], bad: Sequence[float]) -> dict[str, float | None]:
    """Measure scores of documents of which the class is known.

    Parameters
    ----------
    good, bad
        Scores from 0 to 1 of the documents of each class.

    Returns
    -------
    dict
        ``precision``, ``recall`` and ``f1`` of the first class where a score of 0.5 or more means it, and
        ``ranking``: the chance that a good document scores above a bad one, ties half (the area under the
        ROC curve). None where there is nothing to divide by.

    Examples
    --------
    >>> measures([0.9, 0.4], [0.5, 0.1])
    {'precision': 0.5, 'recall': 0.5, 'f1': 0.5, 'ranking': 0.75}
    """
    found, wrong = sum(score >= 0.5 for score in good), sum(score >= 0.5 for score in bad)
    return {
        "precision": _ratio(found, found + wrong),
        "recall": _ratio(found, len(good)),
        "f1": _ratio(2 * found, len(good) + found + wrong),
        "ranking": _ranking(good, bad),
    }


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _ranking(good: Sequence[float], bad: Sequence[float]) -> float | None:
    """Count the pairs in the right order by the ranks of Mann and Whitney (1947): linear but for sorting."""
    below, wins = 0, 0.0
    marked = sorted([(score, True) for score in good] + [(score, False) for score in bad])
    for _, tied in groupby(marked, key=lambda pair: pair[0]):
        classes = [is_good for _, is_good in tied]
        goods = sum(classes)
        bads = len(classes) - goods
        wins += goods * (below + bads / 2)
        below += bads
    return _ratio(wins, len(good) * len(bad))


def threshold_for(scores: Sequence[float], share: float) -> tuple[float, float]:
    """Find the least score that keeps about `share` of the documents: those that score as much or more.

    Returns
    -------
    tuple
        The threshold, as short as it can be written, and the share of `scores` that it keeps. Equal scores
        stay together, so this may be another than was asked for.

    Examples
    --------
    >>> threshold_for([0.9, 0.8, 0.71, 0.2], 0.5)
    (0.8, 0.5)
    >>> threshold_for([0.5, 0.5, 0.5, 0.1], 0.5)
    (0.5, 0.75)
    """
    ranked = sorted(scores, reverse=True)
    kept = round(share * len(ranked))
    above = ranked[kept - 1] if kept else 1.0
    below = ranked[kept] if kept < len(ranked) else 0.0
    threshold = _shortest(below, above)
    return threshold, sum(score >= threshold for score in ranked) / len(ranked)


def _shortest(below: float, above: float) -> float:
    """Return the number of the fewest digits that is greater than `below` and at most `above`."""
    for digits in range(1, 17):
        number = round((below + above) / 2, digits)
        if below < number <= above:
            return number
    return above
