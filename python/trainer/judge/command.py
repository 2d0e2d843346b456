"""The result of a comparison on the terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prepcore.report.table import Table, show
from trainer.config.judging import JudgeConfig
from trainer.judge.run import RESULT, Comparison, read_back
from trainer.judge.sheet import key_path

SHOWN = 3
"""Judgments without a verdict that are printed."""

MANY = 0.1
"""Share of prompts without a verdict from which the counts are in doubt."""

SWAYED = 0.5
"""Share of prompts in which the same place won twice from which the judge is in doubt."""


def prepare(config: JudgeConfig) -> Comparison | None:
    """Check everything; None where a sheet is read back, for which nothing has to be prepared."""
    return None if config.human_read is not None else Comparison.open(config)


def run(config: JudgeConfig, comparison: Comparison | None) -> int:
    """Compare, and print the result.

    Raises
    ------
    UsageError
        As :class:`trainer.judge.run.Comparison`.
    JudgingError
        When the judge cannot go on.
    """
    if comparison is None:
        path = Path(config.human_read or "")
        _print(config, read_back(config), path.with_name(f"{path.stem}.{RESULT}"))
        return 0
    comparison.generate()
    if config.human is not None:
        sheet = comparison.write_sheet()
        sys.stdout.write(
            f"{sheet}: {len(comparison.prompts):,} rows; fill in the last column with 1, 2 or tie\n"
            f"{key_path(sheet)}: the key, which those who judge must not see\n"
            f"read it back with: python -m trainer judge --human-read {sheet}\n"
        )
        return 0
    _print(config, comparison.compare(), comparison.out / RESULT)
    return 0


def _print(config: JudgeConfig, result: Mapping[str, Any], path: Path) -> None:
    if config.json:
        sys.stdout.write(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    else:
        show([table(result)], [*notes(result), f"result: {path}"])


def table(result: Mapping[str, Any]) -> Table:
    """Lay out a result."""
    a, b = result["a"], result["b"]
    length = result["length"]
    prompts = result["prompts"]
    rows = [
        ["wins", _of(result["wins_a"], prompts), _of(result["wins_b"], prompts)],
        ["win rate, ties half", *_rates(result)],
        ["characters an answer", f"{length['mean_a']:,.0f}", f"{length['mean_b']:,.0f}"],
        ["tokens an answer", f"{a['mean_tokens']:,.0f}", f"{b['mean_tokens']:,.0f}"],
        ["stopped by the limit", f"{a['at_limit']:,}", f"{b['at_limit']:,}"],
    ]
    title = f"{result['judge']['name']} compares A with B on {prompts:,} prompts"
    return Table(title, ("", f"A {a['checkpoint']}", f"B {b['checkpoint']}"), rows)


def notes(result: Mapping[str, Any]) -> list[str]:
    """Say what else a reader should know."""
    found = [
        f"ties: {result['ties']:,}, {result['identical']:,} of them identical answers; "
        f"no verdict: {result['no_verdict']:,}"
    ]
    rate, p = result["win_rate_a"], result["sign_test_p"]
    if rate is not None:
        found.append(
            f"win rate of A: {rate['value']:.1%}, 95 % interval {rate['low']:.1%} to {rate['high']:.1%} "
            "(Tango, 1998); sign test without ties: " + ("all are ties" if p is None else f"p = {p:.3g}")
        )
    position = result["position"]
    said = position["first"] + position["second"]
    if said:
        text = f"position: the first answer was preferred in {position['first']:,} of {said:,} judgments"
        text += " that were no tie" if position["tie"] else ""
        if position["both_orders"]:
            text += (
                f"; in {position['swayed']:,} of {position['both_orders']:,} prompts the same place won in "
                "both orders, which counts as a tie"
            )
        found.append(text)
    if position["swayed"] > SWAYED * position["both_orders"]:
        found.append("this judge goes by the place of an answer more than by the answer: take another one")
    length = result["length"]
    if length["decided"]:
        found.append(
            f"length: the longer answer won {length['longer_won']:,} of {length['decided']:,} prompts "
            "that were decided"
        )
    spent = result.get("spent")
    if spent:
        tokens = spent["prompt_tokens"] + spent["completion_tokens"]
        found.append(
            f"{spent['opinions']:,} judgments, {spent['requests']:,} requests"
            + (f", {spent['prompt_tokens']:,} + {spent['completion_tokens']:,} tokens" if tokens else "")
        )
    if result.get("empty"):
        found.append(f"rows without a verdict, which do not count: {result['empty']:,}")
    missing = result.get("without_verdict", ())
    for line in missing[:SHOWN]:
        words = " ".join(str(line["words"]).split())
        found.append(f"no verdict on {line['prompt'][:40]!r}: {words[-120:]!r}")
    if len(missing) > SHOWN:
        found.append(f"… and {len(missing) - SHOWN:,} more judgments without one")
    if result["prompts"] and result["no_verdict"] > MANY * result["prompts"]:
        found.append("many prompts have no verdict: those that have may not stand for all")
    return found


def _rates(result: Mapping[str, Any]) -> tuple[str, str]:
    rate = result["win_rate_a"]
    return ("-", "-") if rate is None else (f"{rate['value']:.1%}", f"{1 - rate['value']:.1%}")


def _of(number: int, whole: int) -> str:
    return f"{number:,} ({number / whole:.0%})" if whole else f"{number:,}"
