"""The lessons of `examples/course`, gone through in their order with little data and few steps."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM

from tests.trainer.conftest import ROOT

COURSE = ROOT / "examples" / "course"
LESSONS = sorted(COURSE.glob("[0-9]-*.sh"))


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("course") / "out"


def go_through(lesson: Path, out: Path) -> subprocess.CompletedProcess[str]:
    paths = [str(ROOT / "python"), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join(paths),
        "COURSE_OUT": str(out),
        "OMP_NUM_THREADS": "1",
        "COURSE_STEPS": "12",
        "COURSE_LIMIT": "240",
    }
    return subprocess.run(["bash", lesson], capture_output=True, text=True, env=environment, check=False)


def validations(run: Path) -> dict[int, float]:
    with (run / "metrics.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    return {int(line["step"]): float(line["validation_loss"]) for line in lines if line["validation_loss"]}


def test_a_lesson_out_of_turn_says_which_comes_first(tmp_path: Path) -> None:
    for lesson in LESSONS[1:]:
        done = go_through(lesson, tmp_path / "nothing")
        assert done.returncode == 2
        assert f"go through lesson {int(lesson.name[0]) - 1} first" in done.stderr


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)
def test_the_lessons_in_their_order(lesson: Path, out: Path) -> None:
    done = go_through(lesson, out)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    for noise in ("Traceback", "Warning"):
        assert noise not in done.stderr, done.stderr
    globals()[f"check_{lesson.name[0]}"](out, done.stdout + done.stderr)


def check_1(out: Path, said: str) -> None:
    knew = validations(out / "1-why" / "then-code")
    assert sorted(knew) == [0, 12]
    assert knew[12] < knew[0], "code is predicted better once some was read"
    assert "then-code                         0" in said


def check_2(out: Path, said: str) -> None:
    assert (out / "2-clean" / "prose" / "report.html").is_file()
    assert "short_lines" in said


def check_3(out: Path, said: str) -> None:
    assert (out / "3-tokens" / "recipe.json").is_file()
    assert (out / "3-tokens" / "prose-best-fit" / "manifest.json").is_file()
    assert "tokens a byte" in said


def check_4(out: Path, said: str) -> None:
    layers = {
        folder.name: AutoModelForCausalLM.from_pretrained(folder).config.num_hidden_layers
        for folder in (out / "4-models").iterdir()
    }
    assert layers == {"downscaled": 3, "upscaled": 6}


def check_5(out: Path, said: str) -> None:
    run = out / "5-run"
    assert "continuing " in said
    assert "stopped after step" in said
    with (run / "metrics.csv").open(newline="") as file:
        steps = [int(line["step"]) for line in csv.DictReader(file) if line["loss"]]
    assert steps == [5, 10, 12]
    found = validations(run)
    assert sorted(found) == [0, 3, 6, 9, 12]
    assert (run / "report.html").is_file()


def check_6(out: Path, said: str) -> None:
    scores = json.loads((out / "5-run" / "checkpoints" / "last" / "evaluation.json").read_text())
    assert scores["results"]["perplexity:prose"]["scores"]["perplexity"]["value"] > 1
    assert "B  run, step 12 of 12  5-run" in said
    assert (out / "6-compare.html").is_file()
    assert "bigram" in said
    assert "\nReturn the" in said


def test_every_lesson_is_in_the_readme() -> None:
    text = (COURSE / "README.md").read_text(encoding="utf-8")
    assert [lesson.name for lesson in LESSONS if lesson.name not in text] == []
    assert len(LESSONS) == 6
