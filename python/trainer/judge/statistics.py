"""Counting verdicts: wins, ties, how sure a win rate is, and what a judge favours besides."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from trainer.judge.verdict import Verdict

Z = 1.959963984540054
"""Quantile of the normal distribution for an interval of 95 %."""

Winner = Literal["a", "b", "tie"]


@dataclass(frozen=True)
class Compared:
    """A prompt whose answers were compared.

    Attributes
    ----------
    verdicts
        With A's answer first, and with B's first; None where the judge gave none. People see each pair in one
        order, and the other is left out.
    lengths
        Characters of A's and B's answers.
    identical
        Whether both answers are the same, which is a tie that nobody need be asked about.
    """

    verdicts: tuple[tuple[Literal["ab", "ba"], Verdict | None], ...]
    lengths: tuple[int, int]
    identical: bool = False

    @property
    def winner(self) -> Winner | None:
        """Who won; None without a verdict in each order.

        An answer wins that is preferred in every order; all else is a tie (Zheng et al., 2023, section 3.4).
        """
        if self.identical:
            return "tie"
        winners = {winner_of(order, verdict) for order, verdict in self.verdicts}
        if None in winners or not winners:
            return None
        return winners.pop() if len(winners) == 1 else "tie"

    @property
    def swayed(self) -> bool:
        """Whether the judge named the same place in both orders, and so not the same answer."""
        verdicts = [verdict for _, verdict in self.verdicts]
        return len(verdicts) == 2 and verdicts[0] == verdicts[1] and verdicts[0] in ("first", "second")


def winner_of(order: Literal["ab", "ba"], verdict: Verdict | None) -> Winner | None:
    """Say whose answer a verdict is for."""
    if verdict is None or verdict == "tie":
        return verdict
    return "a" if (verdict == "first") == (order == "ab") else "b"


def count(compared: Sequence[Compared]) -> dict[str, Any]:
    """Count what was said, for JSON.

    The win rate is that of A, a tie being half a win, over the prompts with a verdict.
    """
    decided = [one for one in compared if one.winner is not None]
    wins = sum(one.winner == "a" for one in decided)
    losses = sum(one.winner == "b" for one in decided)
    asked = [one for one in decided if not one.identical]
    opinions = [verdict for one in asked for _, verdict in one.verdicts]
    pairs = [one for one in asked if len(one.verdicts) == 2]
    rate = None
    if decided:
        low, high = interval(wins, losses, len(decided))
        rate = {"value": (1 + (wins - losses) / len(decided)) / 2, "low": low, "high": high}
    return {
        "prompts": len(compared),
        "wins_a": wins,
        "wins_b": losses,
        "ties": len(decided) - wins - losses,
        "identical": sum(one.identical for one in decided),
        "no_verdict": len(compared) - len(decided),
        "win_rate_a": rate,
        "sign_test_p": sign_test(wins, losses),
        "position": {
            "first": opinions.count("first"),
            "second": opinions.count("second"),
            "tie": opinions.count("tie"),
            "both_orders": len(pairs),
            "swayed": sum(one.swayed for one in pairs),
        },
        "length": {
            "mean_a": _mean([one.lengths[0] for one in compared]),
            "mean_b": _mean([one.lengths[1] for one in compared]),
            "decided": sum(one.winner in ("a", "b") and one.lengths[0] != one.lengths[1] for one in decided),
            "longer_won": sum(
                one.winner == ("a" if one.lengths[0] > one.lengths[1] else "b")
                for one in decided
                if one.lengths[0] != one.lengths[1]
            ),
        },
    }


def interval(wins: int, losses: int, number: int, z: float = Z) -> tuple[float, float]:
    """Return the interval of a win rate in which a tie is half a win.

    The score interval for the difference of two paired proportions (Tango, 1998, *Equivalence test and
    confidence interval for the difference in proportions for the paired-sample design*), here those of wins
    and losses, moved from -1…1 to 0…1. Without ties it is Wilson's (1927). Unlike that of a bootstrap it does
    not shrink to nothing when all answers of a few prompts win.

    Parameters
    ----------
    wins, losses
        How often each was better.
    number
        Prompts, ties among them; at least one.
    z
        Quantile of the normal distribution.
    """

    def score(difference: float) -> float:
        """Standardised distance of what was seen from a true difference."""
        b = -wins - losses + (2 * number - wins + losses) * difference
        c = -losses * difference * (1 - difference)
        lost = (math.sqrt(max(b * b - 8 * number * c, 0.0)) - b) / (4 * number)
        variance = number * (2 * lost + difference * (1 - difference))
        distance = wins - losses - number * difference
        return distance / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, distance)

    seen = (wins - losses) / number
    low = -1.0 if seen == -1 else _crossing(lambda difference: score(difference) < z, -1.0, seen)
    high = 1.0 if seen == 1 else _crossing(lambda difference: score(difference) < -z, seen, 1.0)
    return (1 + low) / 2, (1 + high) / 2


def sign_test(wins: int, losses: int) -> float | None:
    """Return the two-sided p of the exact sign test, which leaves ties out; None when all are.

    How likely it is that the counts differ as much or more when each is as likely to win.
    """
    number = wins + losses
    if not number:
        return None
    tail = sum(math.comb(number, k) for k in range(min(wins, losses) + 1))
    return min(1.0, 2 * tail / 2**number)


def _crossing(holds: Callable[[float], bool], low: float, high: float) -> float:
    """Find where a condition begins to hold, by halving."""
    for _ in range(60):
        middle = (low + high) / 2
        if holds(middle):
            high = middle
        else:
            low = middle
    return (low + high) / 2


def _mean(values: Sequence[int]) -> float | None:
    return sum(values) / len(values) if values else None
