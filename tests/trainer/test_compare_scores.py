"""Scores of evaluations side by side: which are read, which are compared, which differences are noise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.trainer.test_report import Page
from trainer.callbacks.lines import append
from trainer.callbacks.metrics import COLUMNS
from trainer.compare.facts import compare
from trainer.compare.page import page
from trainer.compare.scores import noise
from trainer.compare.tables import notes, tables
from trainer.config.comparing import CompareConfig


def result(value: float, stderr: float | None, *, metric: str = "acc", **changes: Any) -> dict[str, Any]:
    settings = {"shots": 5, "limit": None, "dtype": "fp32", "bos": None, "batch_size": 8}
    made = {
        "main": metric,
        "higher_is_better": True,
        "scores": {metric: {"value": value, "stderr": stderr}},
        "documents": 100,
        "version": "1.0",
        "details": {},
        "settings": settings,
        "seconds": 1.0,
        "finished": "2026-11-29T00:00:00+00:00",
    }
    made |= {name: change for name, change in changes.items() if name in made}
    made["settings"] = {**settings, **{name: new for name, new in changes.items() if name in settings}}
    return made


def evaluation(path: Path, step: int | None, results: dict[str, Any], **more: Any) -> None:
    content = {
        "format": "trainer.evaluation",
        "version": 1,
        "checkpoint": "x",
        "parameters": 1,
        "step": step,
        "tokens": None if step is None else step * 64,
        "settings": {"dtype": "fp32", "bos": None},
        "versions": {},
        "results": results,
        "means": {},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content | more))


def make_run(path: Path, steps: int = 20) -> Path:
    """A log with a line every ten steps, and the newest checkpoint."""
    path.mkdir()
    for step in range(10, steps + 1, 10):
        append(path / "metrics.csv", COLUMNS, {"step": step, "tokens": step * 64, "loss": 5 - step / 20})
    folder = path / "checkpoints" / f"step-{steps:08}"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "training_state.pt").touch()
    (path / "checkpoints" / "last").symlink_to(folder.name)
    return path


def compared(*paths: Path, **options: Any) -> dict[str, Any]:
    return compare(CompareConfig(subjects=[str(path) for path in paths], **options))


def model(path: Path, results: dict[str, Any], **more: Any) -> Path:
    """A model folder outside of any run, with its evaluation."""
    path.mkdir()
    (path / "config.json").write_text("{}")
    evaluation(path / "evaluation.json", None, results, **more)
    return path


def verdict(facts: dict[str, Any], name: str, a: str, b: str) -> dict[str, Any]:
    row = next(row for row in facts["scores"] if row["name"] == name)
    return next(each for each in row["differences"] if (each["from"], each["to"]) == (a, b))


def test_noise_is_two_standard_errors_of_the_difference(tmp_path: Path) -> None:
    """By hand: 2·√(0.03² + 0.04²) = 0.1."""
    assert noise(0.03, 0.04) == pytest.approx(0.1)
    assert noise(None, 0.04) is None
    first = model(tmp_path / "first", {"near": result(0.50, 0.03), "far": result(0.50, 0.03)})
    second = model(tmp_path / "second", {"near": result(0.59, 0.04), "far": result(0.39, 0.04)})
    third = model(tmp_path / "third", {"near": result(0.7, None)})
    facts = compared(first, second, third)
    near, far = verdict(facts, "near", "A", "B"), verdict(facts, "far", "A", "B")
    assert near["difference"] == pytest.approx(0.09)
    assert near["noise"] == far["noise"] == pytest.approx(0.1)
    assert (near["verdict"], far["verdict"]) == ("within noise", "beyond noise")
    assert far["difference"] == pytest.approx(-0.11)
    assert verdict(facts, "near", "A", "C")["verdict"] == "no standard error"
    assert verdict(facts, "near", "B", "C")["noise"] is None

    (scores,) = (table for table in tables(facts) if table.title == "scores")
    assert [tuple(row) for row in scores.rows] == [
        ("near", "acc", "A", "0.5000", "0.0300", "", ""),
        ("", "", "B", "0.5900", "0.0400", "+0.0900", "within noise of A"),
        ("", "", "C", "0.7000", "-", "+0.2000", "noise unknown (A)"),
        ("far", "acc", "A", "0.5000", "0.0300", "", ""),
        ("", "", "B", "0.3900", "0.0400", "-0.1100", "beyond noise of A"),
    ]
    assert any("|a - b| ≤ 2·√(s² + t²)" in note for note in notes(facts))
    assert [entry["standing"] for entry in facts["scores"][1]["entries"].values()] == ["best", None]
    html = page(facts)
    assert "0.7000 ●" in html  # the best; how far the others are from it nobody knows
    assert "0.5000 ± 0.0300 ●" in html
    assert Page(html).unbalanced == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"shots": 0}, "shots 5 and 0"),
        ({"limit": 20}, "limit none and 20"),
        ({"version": "2.0"}, "task version 1.0 and 2.0"),
        ({"dtype": "bf16"}, "dtype fp32 and bf16"),
        ({"bos": True}, "bos none and True"),
        ({"documents": 99}, "documents scored 100 and 99"),
    ],
)
def test_scores_of_other_settings_are_not_compared(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    first = model(tmp_path / "first", {"task": result(0.5, 0.03)})
    second = model(tmp_path / "second", {"task": result(0.9, 0.03, **changes)})
    alike = model(tmp_path / "third", {"task": result(0.52, 0.03, **changes)})
    facts = compared(first, second, alike)
    found = verdict(facts, "task", "A", "B")
    assert found == {
        "from": "A", "to": "B", "difference": None, "noise": None, "verdict": "not comparable", "why": said,
    }  # fmt: skip
    # The third is like the second, and is held against that.
    assert verdict(facts, "task", "B", "C")["verdict"] == "beyond noise"
    (scores,) = (table for table in tables(facts) if table.title == "scores")
    assert [row[-1] for row in scores.rows] == ["", "other settings", "beyond noise of B"]
    assert f"note: task of B not compared with A: {said}" in notes(facts)
    # Most were measured as the last two; of two alone neither is more.
    standing = [entry["standing"] for entry in facts["scores"][0]["entries"].values()]
    assert standing == ["not comparable", "best", None]
    assert "0.5000 ± 0.0300 ✕" in page(facts)
    (row,) = compared(first, second)["scores"]
    assert [entry["standing"] for entry in row["entries"].values()] == ["not comparable"] * 2


def test_the_dtype_and_bos_of_the_whole_evaluation_count(tmp_path: Path) -> None:
    bare = result(0.5, 0.03)
    bare["settings"] = {"batch_size": 1, "device": "cuda"}
    other = {**bare, "settings": {"batch_size": 64, "device": "cpu"}}
    first = model(tmp_path / "first", {"task": bare})
    second = model(tmp_path / "second", {"task": other}, settings={"dtype": "bf16", "bos": None})
    third = model(tmp_path / "third", {"task": other})
    facts = compared(first, second, third)
    assert verdict(facts, "task", "A", "B")["why"] == "dtype fp32 and bf16"
    assert verdict(facts, "task", "A", "C")["verdict"] == "within noise"
    assert [entry["standing"] for entry in facts["scores"][0]["entries"].values()] == [
        "best",
        "not comparable",
        "within noise",
    ]


def test_a_mean_rests_on_what_it_is_the_mean_of(tmp_path: Path) -> None:
    means = {"h6": {"value": 0.4}, "other": {"missing": ["mmlu"]}}
    first = model(tmp_path / "first", {"a": result(0.5, 0.1)}, means=means)
    second = model(tmp_path / "second", {"a": result(0.5, 0.1)}, means={"h6": {"value": 0.45}})
    third = model(tmp_path / "third", {"a": result(0.5, 0.1, limit=3)}, means={"h6": {"value": 0.45}})
    facts = compared(first, second, third)
    assert [row["name"] for row in facts["scores"]] == ["a", "h6"]
    same = verdict(facts, "h6", "A", "B")
    assert same["difference"] == pytest.approx(0.05)
    assert same["verdict"] == "no standard error"
    assert verdict(facts, "h6", "A", "C")["why"] == "a measured otherwise"


def test_a_run_has_the_newest_scores_of_its_checkpoint_and_their_course(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    for step, value in ((10, 0.3), (20, 0.4)):
        evaluation(run / "evaluations" / f"step-{step:08}.json", step, {"task": result(value, 0.01)})
    evaluation(run / "evaluations" / "step-00000010.json", 10, {
        "task": result(0.3, 0.01), "once": result(0.25, 0.01, metric="f1"),
    })  # fmt: skip
    evaluation(run / "checkpoints" / "last" / "evaluation.json", 20, {"task": result(0.45, 0.01)})
    (run / "evaluations" / "step-00000015.json").write_text('{"format": "something else"}')
    facts = compared(run)
    rows = {row["name"]: row["entries"]["A"] for row in facts["scores"]}
    # That in the checkpoint is of the same step, and somebody has made it later by hand.
    assert (rows["task"]["value"], rows["task"]["step"]) == (0.45, 20)
    assert (rows["once"]["value"], rows["once"]["step"]) == (0.25, 10)
    (course,) = facts["score_curves"]
    assert course["name"] == "task"
    assert [(point["step"], point["tokens"], point["value"]) for point in course["points"]["A"]] == [
        (10, 640, 0.3),
        (20, 1280, 0.45),
    ]
    assert any("step-00000015.json is no results file" in note for note in notes(facts))
    html = page(facts)
    assert 'aria-label="task, acc, over the tokens seen"' in html
    assert "0.2500 ± 0.0100, step 10" in html
    (scores,) = (table for table in tables(facts) if table.title == "scores")
    assert [row[2] for row in scores.rows] == ["A", "A, step 10"]


def test_the_best_may_be_the_lowest(tmp_path: Path) -> None:
    low = result(20.0, 1.0, metric="perplexity", higher_is_better=False)
    high = result(25.0, 1.0, metric="perplexity", higher_is_better=False)
    low["scores"]["loss"] = {"value": 3.0, "stderr": None}
    facts = compared(model(tmp_path / "a", {"text": high}), model(tmp_path / "b", {"text": low}))
    html = page(facts)
    assert "20.00 ± 1.00 ●" in html
    assert "25.00 ± 1.00<" in html
    others = [row for row in facts["scores"] if not row["main"]]
    assert [(row["metric"], list(row["entries"])) for row in others] == [("loss", ["B"])]
    assert "<summary>Other metrics</summary>" in html


def test_bits_a_byte_of_a_text_are_compared_between_tokenizers_and_its_perplexity_is_not(
    tmp_path: Path,
) -> None:
    def of_text(perplexity: float, bits: float, **details: int) -> dict[str, Any]:
        made = result(perplexity, None, metric="perplexity", higher_is_better=False, details=details)
        made["scores"]["bits_per_byte"] = {"value": bits, "stderr": None}
        return {"perplexity:text": made}

    first = model(tmp_path / "first", of_text(20.0, 1.5, bytes=1000, tokens=300, context=64))
    second = model(tmp_path / "second", of_text(50.0, 1.4, bytes=1000, tokens=200, context=64))
    third = model(tmp_path / "third", of_text(20.0, 1.3, bytes=1000, tokens=300, context=128))
    facts = compared(first, second, third)
    perplexity, bits = facts["scores"]
    assert (perplexity["metric"], bits["metric"]) == ("perplexity", "bits_per_byte")
    assert perplexity["differences"][0]["why"] == "tokens 300 and 200"
    assert bits["differences"][0]["difference"] == pytest.approx(-0.1)
    assert bits["differences"][1]["why"] == "context 64 and 128"
    (scores,) = (table for table in tables(facts) if table.title == "scores")
    assert [row[6] for row in scores.rows[:2]] == ["", "other settings"]
    assert [row[6] for row in scores.rows[3:5]] == ["", "noise unknown (A)"]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"format": "trainer.evaluation", "version": 2, "results": {}}',
        '{"format": "trainer.evaluation", "version": 1}',
        '{"format": "trainer.evaluation", "version": 1, "results": {"a": {}}}',
        '{"format": "trainer.evaluation", "version": 1, "results": [1]}',
    ],
)
def test_a_file_that_is_none_of_these_is_named_and_passed_over(tmp_path: Path, content: str) -> None:
    folder = model(tmp_path / "model", {})
    (folder / "evaluation.json").write_text(content)
    facts = compared(folder)
    assert facts["scores"] == []
    assert notes(facts) == [f"note: A: {folder}/evaluation.json is no results file of this version"]


def test_without_a_best_checkpoint_the_newest_stands_for_a_run_and_that_is_said(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    facts = compared(run, checkpoint="best")
    assert facts["compared"][0]["checkpoint_step"] == 20
    assert any("no validation has chosen a best checkpoint" in note for note in notes(facts))
    best = run / "checkpoints" / "step-00000010"
    best.mkdir()
    (best / "config.json").write_text("{}")
    (run / "checkpoints" / "best").symlink_to(best.name)
    evaluation(best / "evaluation.json", 10, {"task": result(0.5, 0.01)})
    assert compared(run)["compared"][0]["checkpoint_step"] == 20
    chosen = compared(run, checkpoint="best")
    assert chosen["compared"][0]["checkpoint_step"] == 10
    assert chosen["scores"][0]["entries"]["A"]["step"] == 10
