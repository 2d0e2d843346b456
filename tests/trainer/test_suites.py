"""The mean of a suite: of all its tasks, measured alike, or none."""

from __future__ import annotations

from typing import Any

import pytest

from trainer.evaluate.card import scores_section
from trainer.evaluate.suites import H6

VALUES = (0.3, 0.5, 0.25, 0.4, 0.6, 0.01)


def results(**changes: Any) -> dict[str, Any]:
    alike = {"limit": None, "dtype": "fp32", "bos": "auto", "lm_eval": "0.4.13"}
    return {
        task.name: {"scores": {task.metric: {"value": value}}, "settings": {**alike, **changes}}
        for task, value in zip(H6.tasks, VALUES, strict=True)
    }


def test_it_is_the_leaderboard() -> None:
    assert [(task.name, task.metric) for task in H6.tasks] == [
        ("arc_challenge@25", "acc_norm"),
        ("hellaswag@10", "acc_norm"),
        ("mmlu@5", "acc"),
        ("truthfulqa_mc2@0", "acc"),
        ("winogrande@5", "acc"),
        ("gsm8k@5", "exact_match,strict-match"),
    ]


def test_the_mean_is_plain() -> None:
    assert H6.mean(results()) == {"value": pytest.approx(sum(VALUES) / 6)}
    assert H6.mean(results(limit=20)) == {"value": pytest.approx(sum(VALUES) / 6), "limit": 20}


@pytest.mark.parametrize("task", [task.name for task in H6.tasks])
def test_without_one_task_there_is_none(task: str) -> None:
    found = results()
    del found[task]
    assert H6.mean(found) == {"missing": [task], "reason": "not measured"}


@pytest.mark.parametrize(
    "change", [{"limit": 20}, {"dtype": "bf16"}, {"bos": "on"}, {"lm_eval": "0.4.9"}], ids=str
)
def test_tasks_that_were_measured_otherwise_stand_in_its_way(change: dict[str, Any]) -> None:
    found = results()
    found["mmlu@5"]["settings"].update(change)
    mean = H6.mean(found)
    assert mean["missing"] == ["mmlu@5"]
    assert mean["reason"] == f"measured otherwise than the others ({next(iter(change))})"
    assert "value" not in mean


def test_a_card_says_of_each_score_how_it_was_measured() -> None:
    found = results(limit=20, device="cpu")
    for result in found.values():
        ((main, score),) = result["scores"].items()
        score["stderr"] = None
        result |= {"documents": 20, "version": "1", "main": main, "details": {}}
    found["mmlu@5"]["settings"]["bos"] = "on"
    found["mmlu@5"]["details"] = {"tasks": {}}
    means = {"h6": {"value": 0.5, "limit": 20}}
    card = scores_section({"results": found, "means": means, "versions": {"torch": "2"}, "settings": {}})
    assert "beginning token on (mmlu@5)" in card
    assert "| 20 (the first 20 of each task) |" in card
    assert "| 20 (the first) |" in card
    assert "| h6, the mean | | 0.5000 | first 20 of each | |" in card


def test_a_score_that_is_no_number_stands_in_its_way() -> None:
    found = results()
    found["gsm8k@5"]["scores"] = {"exact_match,flexible-extract": {"value": 0.1}}
    assert H6.mean(found)["missing"] == ["gsm8k@5"]
    found["gsm8k@5"]["scores"] = {"exact_match,strict-match": {"value": None}}
    assert H6.mean(found)["missing"] == ["gsm8k@5"]
