"""Scores, errors, prompts and log-likelihoods are those of lm-eval itself, run on the same folder."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from lm_eval import simple_evaluate
from lm_eval.tasks import TaskManager

from tests.trainer import sets
from tests.trainer.models import model_folder
from trainer.evaluate.harness import LmEvalTask, named_tasks
from trainer.evaluate.local import LocalData
from trainer.evaluate.subject import Subject

SHOTS = {
    "arc_challenge": 25,
    "arc_easy": 0,
    "hellaswag": 0,
    "truthfulqa_mc1": 0,
    "truthfulqa_mc2": 0,
    "winogrande": 5,
    "gsm8k": 5,
    "lambada_openai": 0,
}

Own = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module", autouse=True)
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    import datasets.config

    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
        yield


def own_run(manager: TaskManager, model: Path, task: str, shots: int, limit: int | None) -> dict[str, Any]:
    """Run lm-eval as its command does."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return dict(
            simple_evaluate(
                model="hf",
                model_args={"pretrained": str(model), "dtype": "float32"},
                tasks=[task],
                num_fewshot=shots,
                batch_size=8,
                device="cpu",
                limit=limit,
                task_manager=manager,
                log_samples=True,
            )
        )


def check_equal(ours: Mapping[str, Any], own: Mapping[str, Any], task: LmEvalTask) -> None:
    expected = own["results"][task.task]
    outcome = task.outcome(ours)
    for metric, score in outcome.scores.items():
        key = metric if "," in metric else f"{metric},none"
        name, _, kept = key.partition(",")
        assert score.value == pytest.approx(expected[key], abs=1e-6), metric
        error = expected.get(f"{name}_stderr,{kept}")
        assert score.stderr == (pytest.approx(error, abs=1e-6) if isinstance(error, float) else None), metric
    figures = {key for key in expected if "," in key and "_stderr" not in key}
    assert {m if "," in m else f"{m},none" for m in outcome.scores} == figures
    assert ours["samples"].keys() == own["samples"].keys()
    scored = 0
    for leaf, samples in ours["samples"].items():
        for mine, theirs in zip(samples, own["samples"][leaf], strict=True):
            assert mine["arguments"] == theirs["arguments"]
            for (given,), (wanted,) in zip(mine["resps"], theirs["resps"], strict=True):
                if isinstance(given, str):
                    assert given == wanted
                else:
                    assert given[0] == pytest.approx(wanted[0], abs=1e-6)
                    assert given[1] == wanted[1]
                scored += 1
    assert scored


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model_folder(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def subject(model: Path) -> Subject:
    return Subject(model, "fp32", "cpu")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TaskManager]:
    """Sets of our own, MMLU with all its subjects, and lm-eval's tasks over plain JSON of them."""
    root = tmp_path_factory.mktemp("made")
    subjects = sorted(
        name.removeprefix("mmlu_")
        for leaf in LmEvalTask(task="mmlu").leaves
        for name in [leaf.name]
    )  # fmt: skip
    folder = sets.write_mmlu(sets.write_sets(root / "sets"), subjects)
    return folder, TaskManager(
        include_path=str(sets.write_own_tasks(root / "own", folder, list(SHOTS), subjects))
    )


@pytest.mark.parametrize("task", SHOTS)
def test_tasks_on_small_sets(
    task: str, made: tuple[Path, TaskManager], model: Path, subject: Subject
) -> None:
    measure = LmEvalTask(task=task, shots=SHOTS[task], data=LocalData(made[0]))
    measure.check()
    check_equal(
        measure.evaluate(subject, samples=True), own_run(made[1], model, task, SHOTS[task], None), measure
    )


def test_mmlu_weighs_its_subjects_as_lm_eval_does(
    made: tuple[Path, TaskManager], model: Path, subject: Subject
) -> None:
    measure = LmEvalTask(task="mmlu", shots=1, data=LocalData(made[0]))
    measure.check()
    found = measure.evaluate(subject, samples=True)
    check_equal(found, own_run(made[1], model, "mmlu", 1, None), measure)
    outcome = measure.outcome(found)
    subjects = outcome.details["tasks"]
    assert len(subjects) == 57
    assert {entry["documents"] for entry in subjects.values()} == {1, 2, 3}
    right = sum(entry["acc"] * entry["documents"] for entry in subjects.values())
    assert outcome.scores["acc"].value == pytest.approx(right / outcome.documents)
    assert outcome.documents == sum(entry["documents"] for entry in subjects.values())


@pytest.fixture(scope="module")
def real(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TaskManager]:
    """The sets of the hub beside the project, and lm-eval's tasks over plain JSON of them."""
    folder = shared / "data" / "eval-hf"
    own = tmp_path_factory.mktemp("real") / "own"
    return folder, TaskManager(
        include_path=str(sets.write_own_tasks(own, folder, list(SHOTS), ["anatomy", "virology"]))
    )


@pytest.mark.parametrize("task", [*SHOTS, "mmlu_anatomy", "mmlu_virology"])
def test_tasks_on_the_sets_of_the_hub(task: str, real: tuple[Path, TaskManager], stories: Path) -> None:
    shots = SHOTS.get(task, 5)
    measure = LmEvalTask(task=task, shots=shots, limit=3, data=LocalData(real[0]))
    measure.check()
    ours = measure.evaluate(Subject(stories, "fp32", "cpu"), samples=True)
    check_equal(ours, own_run(real[1], stories, task, shots, 3), measure)


@pytest.mark.parametrize(("bos", "stated"), [(True, True), (False, False)])
def test_the_beginning_token_is_as_in_lm_eval(
    bos: bool, stated: bool, made: tuple[Path, TaskManager], model: Path
) -> None:
    measure = LmEvalTask(task="arc_easy", shots=0, data=LocalData(made[0]))
    ours = measure.evaluate(Subject(model, "fp32", "cpu", bos), samples=True)
    with contextlib.redirect_stderr(io.StringIO()):
        own = simple_evaluate(
            model="hf",
            model_args={"pretrained": str(model), "dtype": "float32", "add_bos_token": stated},
            tasks=["arc_easy"],
            batch_size=8,
            device="cpu",
            task_manager=made[1],
        )
    check_equal(ours, own, measure)
    other = measure.evaluate(Subject(model, "fp32", "cpu", not bos), samples=True)
    assert other["samples"]["arc_easy"][0]["resps"] != ours["samples"]["arc_easy"][0]["resps"]


def test_a_task_without_shots_has_those_of_its_file() -> None:
    names = [measure.name for measure in named_tasks(["gsm8k", "arc_easy", "mmlu"], limit=None, data=None)]
    assert names == ["gsm8k@5", "arc_easy@0", "mmlu@0"]
