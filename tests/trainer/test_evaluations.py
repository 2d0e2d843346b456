"""Evaluations while a run trains: whatever becomes of one, the run and its checkpoints are whole."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.trainer.folders import random_documents, write_token_folder
from tests.trainer.models import tiny_model_config
from tests.trainer.test_cli import TINY, environment
from trainer.callbacks import plot, wiring
from trainer.config import (
    BatchConfig,
    CheckpointConfig,
    DataConfig,
    EvaluationConfig,
    FitConfig,
    TrainerConfig,
)
from trainer.fit import fit

STEPS = 6

BEGIN = "import os, signal, sys, time; checkpoint, out = sys.argv[1:]; "

GOOD = "open(out, 'w').write(str(len(os.listdir(checkpoint)))); print('a table of', checkpoint)"
"""Writes what it found where it was told to."""

FAILURES = {
    "raises": ("raise ValueError('no such luck')", "ended with exit code 1", "ValueError: no such luck"),
    "killed": ("os.kill(os.getpid(), signal.SIGKILL)", "was ended by SIGKILL", ""),
    "out-of-memory": (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30)); bytearray(1 << 32)",
        "ended with exit code 1",
        "MemoryError",
    ),
    "too-long": (
        "print('begun', file=sys.stderr, flush=True); time.sleep(600)",
        "was ended by SIGKILL",
        "evaluation.minutes",
    ),
    "writes-and-fails": (f"{GOOD}; sys.exit('so far')", "ended with exit code 1", "so far"),
}

HANGING = (
    "from trainer.launch import end_with_parent; end_with_parent(); "
    "open(out + '.pid', 'w').write(str(os.getpid())); time.sleep(600)"
)


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_token_folder(
        tmp_path_factory.mktemp("tokens") / "t",
        [random_documents(40)],
        validation=random_documents(8, seed=2),
    )


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plot, "draw", lambda metrics, folder: None)


def config(tokens: Path, run: Path, *, every: int | None = 2, minutes: float = 5) -> FitConfig:
    return FitConfig(
        data=DataConfig(path=str(tokens)),
        model=tiny_model_config(),
        batch=BatchConfig(micro=2),
        trainer=TrainerConfig(max_steps=STEPS, accelerator="cpu", precision="32-true", val_check_interval=2),
        checkpoint=CheckpointConfig(keep=9),
        evaluation=EvaluationConfig(every=every, perplexity=[str(tokens)] if every else [], minutes=minutes),
        run=str(run),
    )


def evaluate_by(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Have another program evaluate."""

    def command(checkpoint: Path, file: Path) -> Sequence[str]:
        return [sys.executable, "-c", BEGIN + program, str(checkpoint), str(file)]

    monkeypatch.setattr(wiring, "evaluate_command", lambda settings, device: command)


def weights(run: Path, step: int) -> dict[str, object]:
    return load_file(run / "checkpoints" / f"step-{step:08d}" / "model.safetensors")


@pytest.fixture(scope="module")
def alone(tokens: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run as it is without evaluations."""
    run = tmp_path_factory.mktemp("alone") / "run"
    fit(config(tokens, run, every=None))
    return run


def assert_same(run: Path, other: Path) -> None:
    for step in range(2, STEPS + 1, 2):
        ours, theirs = weights(run, step), weights(other, step)
        assert ours.keys() == theirs.keys()
        assert all(bool((ours[name] == theirs[name]).all()) for name in ours)


def test_each_checkpoint_is_evaluated_and_nothing_else_changes(
    tokens: Path,
    alone: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    evaluate_by(monkeypatch, GOOD)
    run = tmp_path / "run"
    fit(config(tokens, run))
    found = {path.name: path.read_text() for path in (run / "evaluations").iterdir()}
    files = len(list((run / "checkpoints" / "last").iterdir()))
    assert found == {f"step-{step:08d}.json": str(files) for step in (2, 4, 6)}
    assert "a table of" in capfd.readouterr().err
    assert_same(run, alone)


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failed_evaluation_costs_the_run_nothing(
    failure: str,
    tokens: Path,
    alone: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    program, ended, said = FAILURES[failure]
    evaluate_by(monkeypatch, program)
    run = tmp_path / "run"
    fit(config(tokens, run, minutes=0.001 if failure == "too-long" else 5))
    assert_same(run, alone)
    shown = capfd.readouterr().err
    for step in (2, 4, 6):
        assert f"the evaluation of step-{step:08d} {ended}, and the run goes on" in shown
        assert said in (run / "evaluations" / f"step-{step:08d}.log").read_text()
    assert said in shown


def test_a_command_that_cannot_be_started_costs_the_run_nothing(
    tokens: Path,
    alone: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(
        wiring, "evaluate_command", lambda settings, device: lambda checkpoint, file: ["/no/such/program"]
    )
    run = tmp_path / "run"
    fit(config(tokens, run))
    assert "cannot be evaluated, and the run goes on" in capfd.readouterr().err
    assert_same(run, alone)


PROGRAM = """
import os, sys
from trainer.callbacks import wiring
words = [sys.executable, "-c", os.environ["EVALUATION"]]
wiring.evaluate_command = lambda *_: lambda checkpoint, file: [*words, str(checkpoint), str(file)]
from trainer.cli import main
sys.exit(main(sys.argv[1:]))
"""


def start(program: str, *words: str | Path) -> subprocess.Popen[str]:
    """Start `fit` with another program that evaluates."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "fit", *map(str, words)],
        env={**environment(), "EVALUATION": BEGIN + program},
        stderr=subprocess.PIPE,
        text=True,
    )


def words_of(tokens: Path, run: Path) -> list[str | Path]:
    often = ["--trainer.val-check-interval", "2", "--checkpoint.keep", "9", "--evaluation.every", "4"]
    return [*TINY, "--data.path", tokens, "--run", run, *often, "--evaluation.perplexity", tokens]


@pytest.fixture(scope="module")
def undisturbed(tokens: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("undisturbed") / "run"
    process = start(GOOD, *words_of(tokens, run))
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    return run


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_stop_during_an_evaluation_ends_it_and_the_run_continues(
    number: signal.Signals, tokens: Path, undisturbed: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    process = start(HANGING, *words_of(tokens, run))
    noted = run / "evaluations" / "step-00000004.json.pid"
    deadline = time.monotonic() + 120
    while not (noted.exists() and noted.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == (143 if number == signal.SIGTERM else -number), said
    child = int(noted.read_text())
    noted.unlink()
    deadline = time.monotonic() + 20
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(child)

    # What lies beyond the checkpoint will come again.
    (run / "evaluations" / "step-00000006.json").write_text("of a step that was lost")
    (run / "evaluations" / "step-by-step.json").write_text("of somebody else")
    process = start(GOOD, "--resume", run)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert_same(run, undisturbed)
    assert (run / "evaluations" / "step-00000006.json").read_text().isdigit()
    assert (run / "evaluations" / "step-by-step.json").exists()


def test_it_finds_what_the_command_finds(tokens: Path, tmp_path: Path) -> None:
    """The real command, in a run and on its last checkpoint afterwards."""
    run = tmp_path / "run"
    last = fit(config(tokens, run, every=6))
    during = json.loads((run / "evaluations" / "step-00000006.json").read_text())
    after = tmp_path / "after.json"
    command = ["evaluate", str(last), "--perplexity", str(tokens), "--out", str(after)]
    done = subprocess.run(
        [sys.executable, "-m", "trainer", *command],
        env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (name,) = during["results"]
    found = [content["results"][name]["scores"] for content in (during, json.loads(after.read_text()))]
    assert found[0] == found[1]
    assert found[0]["loss"]["value"] > 0
    assert f"{found[0]['perplexity']['value']:.2f}" in (run / "report.html").read_text()


def test_an_unknown_task_is_refused_before_the_run(tokens: Path, tmp_path: Path) -> None:
    words = [*TINY, "--data.path", str(tokens), "--run", "run", "--trainer.val-check-interval", "2"]
    words += ["--evaluation.every", "2", "--evaluation.tasks", "piqua"]
    done = subprocess.run(
        [sys.executable, "-m", "trainer", "fit", *words],
        env=environment(), capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 2
    assert "piqa" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"every": 2}, "there is nothing to evaluate"),
        ({"tasks": ["x"]}, "evaluation.every is not given"),
        ({"every": 3, "tasks": ["x"]}, "wanted a multiple of the 2 steps between checkpoints"),
    ],
)
def test_settings_without_effect_are_refused(words: dict[str, object], said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said):
        FitConfig(
            data=DataConfig(path="x"),
            trainer=TrainerConfig(val_check_interval=2),
            evaluation=EvaluationConfig(**words),  # type: ignore[arg-type]  # a mapping has one type of values
        )


def alive(number: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
