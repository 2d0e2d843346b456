"""Suites: several tasks with fixed shots and metrics, and their mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ALIKE = ("limit", "dtype", "bos", "lm_eval")
"""Settings that the results of a mean must have in common."""


@dataclass(frozen=True)
class SuiteTask:
    """A task of a suite: its name in lm-eval, the few-shot examples in a prompt, the metric that counts."""

    task: str
    shots: int
    metric: str

    @property
    def name(self) -> str:
        """What its result is called."""
        return f"{self.task}@{self.shots}"


@dataclass(frozen=True)
class Suite:
    """Tasks whose mean is one figure."""

    name: str
    tasks: tuple[SuiteTask, ...]

    def mean(self, results: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """Return the plain mean of the tasks' own metrics, or what stands in its way.

        Parameters
        ----------
        results
            By name, as a results file has them.

        Returns
        -------
        dict
            ``value``, from 0 to 1, and ``limit`` where only the first documents of each task were taken; or
            ``missing`` (names of results) with ``reason``: of tasks that were not measured, or otherwise
            than the others.
        """
        absent = [task.name for task in self.tasks if task.name not in results]
        if absent:
            return {"missing": absent, "reason": "not measured"}
        scores = {task.name: results[task.name]["scores"].get(task.metric, {}) for task in self.tasks}
        without = [name for name, score in scores.items() if score.get("value") is None]
        if without:
            return {"missing": without, "reason": "without a figure for the metric of the suite"}
        differ: dict[str, list[str]] = {}
        for key in ALIKE:
            how = {task.name: repr(results[task.name]["settings"].get(key)) for task in self.tasks}
            usual = Counter(how.values()).most_common(1)[0][0]
            differ[key] = [name for name, setting in how.items() if setting != usual]
        others = [task.name for task in self.tasks if any(task.name in names for names in differ.values())]
        if others:
            settings = ", ".join(key for key, names in differ.items() if names)
            return {"missing": others, "reason": f"measured otherwise than the others ({settings})"}
        values = [float(score["value"]) for score in scores.values()]
        limit = results[self.tasks[0].name]["settings"].get("limit")
        return {"value": sum(values) / len(values), **({} if limit is None else {"limit": limit})}


H6 = Suite(
    "h6",
    (
        SuiteTask("arc_challenge", 25, "acc_norm"),
        SuiteTask("hellaswag", 10, "acc_norm"),
        SuiteTask("mmlu", 5, "acc"),
        SuiteTask("truthfulqa_mc2", 0, "acc"),
        SuiteTask("winogrande", 5, "acc"),
        SuiteTask("gsm8k", 5, "exact_match,strict-match"),
    ),
)
"""The six tasks of the first Open LLM Leaderboard, with its shots and metrics.

lm-eval's group ``openllm`` is not this: it takes all of TruthfulQA and no mean.
"""

SUITES = {suite.name: suite for suite in (H6,)}
