"""`evaluate`: what the command does, keeps, refuses and survives."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainer import sets
from tests.trainer.folders import random_documents, write_token_folder
from tests.trainer.models import model_folder
from tests.trainer.test_cli import TINY, environment, here
from trainer.evaluate import tasks
from trainer.evaluate.harness import LmEvalTask
from trainer.evaluate.local import OFFLINE
from trainer.evaluate.measure import Outcome
from trainer.evaluate.subject import Subject

TASKS = "arc_easy,winogrande@2"


@pytest.fixture(autouse=True)
def network_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `--data` forbids this process is allowed again after a test."""
    for name in OFFLINE:
        monkeypatch.setenv(name, "0")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sets.write_sets(tmp_path_factory.mktemp("data") / "sets")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model_folder(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture
def model(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "tiny"))


def results(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def evaluated(model: Path, data: Path, *words: str, code: int = 0) -> dict[str, Any]:
    assert here("evaluate", model, "--data", data, *words) == code
    return results(model / "evaluation.json")


def test_the_results_file(model: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = evaluated(model, data, "--tasks", TASKS, "--limit", "3", "--batch-size", "4")
    assert found["format"] == "trainer.evaluation"
    assert found["checkpoint"] == "tiny"
    assert found["parameters"] == sum(p.numel() for p in Subject(model, "fp32", "cpu").model.parameters())
    assert found["settings"] == {
        "dtype": "bf16" if torch.cuda.is_available() else "fp32",
        "bos": "auto",
        "device": "cuda" if torch.cuda.is_available() else "cpu",
        "batch_size": 4,
        "seeds": {"random": 0, "numpy": 1234, "torch": 1234, "fewshot": 1234},
    }
    assert {"trainer", "torch", "transformers", "tokenizers", "lm_eval", "python"} == set(found["versions"])
    arc, winogrande = found["results"]["arc_easy@0"], found["results"]["winogrande@2"]
    assert arc["main"] == "acc_norm"
    assert arc["documents"] == 3
    assert arc["version"] == "1.0"
    assert arc["settings"]["limit"] == 3
    assert winogrande["details"]["shots"] == 2
    assert winogrande["scores"].keys() == {"acc"}
    printed = capsys.readouterr()
    assert "winogrande@2" in printed.out
    assert f"{arc['scores']['acc_norm']['value']:.4f}" in printed.out
    assert "beginning token auto" in printed.out
    assert str(model / "evaluation.json") in printed.out
    assert not list(model.glob(".*"))


def test_what_is_there_is_not_measured_again(
    model: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = evaluated(model, data, "--tasks", "arc_easy")
    done: list[str] = []
    run = LmEvalTask.run

    def counted(self: LmEvalTask, subject: Subject) -> Outcome:
        done.append(self.name)
        return run(self, subject)

    monkeypatch.setattr(LmEvalTask, "run", counted)
    after = evaluated(model, data, "--tasks", TASKS)
    assert done == ["winogrande@2"]
    assert after["results"]["arc_easy@0"] == before["results"]["arc_easy@0"]
    evaluated(model, data, "--tasks", "arc_easy", "--again")
    assert done == ["winogrande@2", "arc_easy@0"]
    evaluated(model, data, "--tasks", "arc_easy", "--bos", "on")
    assert done[2:] == ["arc_easy@0"], "another setting is another measurement"


def test_fewer_documents_do_not_replace_more(
    model: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        evaluated(model, data, "--tasks", "arc_easy", "--limit", "2")["results"]["arc_easy@0"]["documents"]
        == 2
    )
    assert evaluated(model, data, "--tasks", "arc_easy")["results"]["arc_easy@0"]["documents"] == 5
    evaluated(model, data, "--tasks", "arc_easy", "--limit", "2", code=2)
    assert "arc_easy@0 of all documents, which one of 2 would replace" in capsys.readouterr().err
    evaluated(model, data, "--tasks", "arc_easy", "--limit", "2", "--again")


def test_several_checkpoints(model: Path, data: Path, tmp_path: Path) -> None:
    other = model_folder(tmp_path / "other", seed=1)
    words = ["--data", data, "--tasks", "arc_easy", "--out", tmp_path / "out"]
    assert here("evaluate", model, other, *words) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"tiny.json", "other.json"}
    assert not (model / "evaluation.json").exists()
    assert here("evaluate", other, *words[:-1], tmp_path / "out" / "tiny.json") == 2, "another's results"


@pytest.mark.parametrize("stop", [KeyboardInterrupt, MemoryError, RuntimeError])
def test_a_measure_that_fails_leaves_the_others(
    model: Path,
    data: Path,
    stop: type[BaseException],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = LmEvalTask.run

    def failing(self: LmEvalTask, subject: Subject) -> Outcome:
        if self.task == "winogrande":
            raise stop("as the test wants it")
        return run(self, subject)

    words = ["--tasks", "arc_easy,winogrande,lambada_openai"]
    with monkeypatch.context() as patch:
        patch.setattr(LmEvalTask, "run", failing)
        interrupted = stop is KeyboardInterrupt
        found = evaluated(model, data, *words, code=130 if interrupted else 1)
    assert list(found["results"]) == ["arc_easy@0", *([] if interrupted else ["lambada_openai@0"])]
    assert interrupted or "winogrande@0 failed: as the test wants it" in capsys.readouterr().err
    again = evaluated(model, data, *words)
    assert len(again["results"]) == 3
    with monkeypatch.context() as patch:
        patch.setattr(LmEvalTask, "run", failing)
        capsys.readouterr()
        evaluated(model, data, *words, "--again", code=130 if interrupted else 1)
    assert interrupted or "winogrande" not in capsys.readouterr().out, "what failed shows no former score"
    assert again["results"]["arc_easy@0"] == found["results"]["arc_easy@0"]


def test_an_answer_longer_than_a_context_is_told_of(
    model: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    described = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**described, "max_position_embeddings": 2}))
    assert here("evaluate", model, "--data", data, "--tasks", "hellaswag@0") == 1
    said = capsys.readouterr().err
    assert "an answer of hellaswag@0 is longer than the 2 tokens that the model reads at once" in said
    assert "Traceback" not in said


NO_NETWORK = """
import socket, sys
def refuse(*anything):
    print("a connection was tried", anything, file=sys.stderr)
    raise OSError("no network in this test")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
from trainer.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_killed_evaluation_continues_without_a_network(model: Path, data: Path, tmp_path: Path) -> None:
    around = {**environment(), "HF_HOME": str(tmp_path / "empty")}
    tasks = "arc_easy,arc_challenge@25,hellaswag,winogrande@5,truthfulqa_mc2,gsm8k"
    command = [sys.executable, "-c", NO_NETWORK, "evaluate", str(model), "--data", str(data)]
    command += ["--tasks", tasks]
    nowhere = subprocess.DEVNULL
    process = subprocess.Popen(command, env=around, stderr=nowhere, stdout=nowhere)
    deadline = time.monotonic() + 300
    while not (model / "evaluation.json").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = results(model / "evaluation.json")["results"]
    assert 1 <= len(before) < 6
    done = subprocess.run(command, env=around, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "a connection was tried" not in done.stderr
    after = results(model / "evaluation.json")["results"]
    assert len(after) == 6
    assert all(after[name] == result for name, result in before.items())
    assert f"{next(iter(before))} is there already" in done.stderr


def test_files_in_any_format_read_alike(model: Path, data: Path, tmp_path: Path) -> None:
    import polars as pl

    other = tmp_path / "parquet"
    for file in (data / "ai2_arc").rglob("*.jsonl"):
        place = other / file.relative_to(data).with_suffix(".parquet")
        place.parent.mkdir(parents=True, exist_ok=True)
        pl.read_ndjson(file).write_parquet(place)
    one = evaluated(model, data, "--tasks", "arc_challenge@25")["results"]["arc_challenge@25"]
    two = evaluated(model, other, "--tasks", "arc_challenge@25")["results"]["arc_challenge@25"]
    assert one["scores"] == two["scores"]
    assert one["settings"]["data"] != two["settings"]["data"]


def test_the_suite(
    model: Path,
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """HellaSwag has no train split here: the suite is refused, and without that task it has no mean."""
    subjects = sorted(leaf.name.removeprefix("mmlu_") for leaf in LmEvalTask(task="mmlu").leaves)
    whole = sets.write_mmlu(Path(shutil.copytree(data, tmp_path / "sets")), subjects)
    assert here("evaluate", model, "--suite", "h6", "--data", whole) == 2
    said = capsys.readouterr().err
    assert "hellaswag@10 cannot be measured" in said
    assert "lacks hellaswag/train.jsonl, where its few-shot examples come from" in said
    assert not (model / "evaluation.json").exists()

    # Five real questions a prompt would take a while here; what is under test is the mean.
    def quick(self: LmEvalTask, subject: Subject, *, samples: bool = False) -> dict[str, Any]:
        del subject, samples
        key = self.main if self.main and "," in self.main else f"{self.main},none"
        return {
            "results": {self.task: {key: 0.5}},
            "higher_is_better": {},
            "versions": {},
            "n-samples": {self.task: {"effective": 3}},
        }

    monkeypatch.setattr(LmEvalTask, "evaluate", quick)
    found = evaluated(model, whole, "--suite", "h6", "--skip", "hellaswag")
    assert found["means"] == {"h6": {"missing": ["hellaswag@10"], "reason": "not measured"}}
    assert "no mean of h6: hellaswag@10 not measured" in capsys.readouterr().out
    sets.write_rows(whole / "hellaswag" / "train.jsonl", sets.hellaswag(12, 5))
    found = evaluated(model, whole, "--suite", "h6", "--limit", "3", "--again", "--skip", "gsm8k")
    assert found["means"]["h6"]["missing"] == ["gsm8k@5"], "the one of all documents"
    found = evaluated(model, whole, "--suite", "h6")
    assert found["means"] == {"h6": {"value": 0.5}}


def test_hellaswag_takes_its_examples_from_no_other_split(
    model: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluated(model, data, "--tasks", "hellaswag@0")
    evaluated(model, data, "--tasks", "hellaswag@10", code=2)
    assert "lacks hellaswag/train.jsonl" in capsys.readouterr().err


def test_mistakes_are_refused(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = model_folder(tmp_path / "bare")
    (bare / "tokenizer.json").unlink()
    weightless = model_folder(tmp_path / "weightless")
    (weightless / "model.safetensors").unlink()
    strange = model_folder(tmp_path / "strange")
    (strange / "evaluation.json").write_text('{"format": "other"}')
    local = ["--data", str(data)]
    for words, said in (
        ([str(model)], "there is nothing to measure: wanted --suite, --tasks, --perplexity"),
        ([str(model), "--tasks", "helaswag", *local], "did you mean hellaswag"),
        ([str(model), "--tasks", "arc_easy@many", *local], "is not NAME or NAME@SHOTS"),
        ([str(model), "--tasks", "truthfulqa_mc2@5", *local], "is fixed at 0 shots"),
        ([str(model), "--tasks", "openllm", *local], "has no score of its own"),
        ([str(model), "--tasks", "mmlu", *local], "lacks mmlu/all/test.jsonl"),
        (
            [str(model), "--tasks", "arc_easy", "--data", str(tmp_path / "nowhere")],
            "is not a folder; wanted there: ai2_arc/ARC-Easy/test.jsonl",
        ),
        (
            [str(model), "--tasks", "arc_easy,gsm8k", "--data", str(tmp_path / "nowhere")],
            "wanted there: gsm8k/main/test.jsonl, gsm8k/main/train.jsonl",
        ),
        ([str(model), "--suite", "h7"], "h6"),
        ([str(model), "--tasks", "arc_easy", "--stop", "x"], "no effect without references"),
        ([str(model), "--tasks", "arc_easy", "--stride", "3"], "no effect without perplexity"),
        ([str(model), "--perplexity", "x", *local], "data has no effect without suite or tasks"),
        ([str(model), "--suite", "h6", "--skip", "arc"], "'arc' is no task of h6"),
        ([str(tmp_path), "--tasks", "arc_easy", *local], "it has no config.json"),
        ([str(bare), "--tasks", "arc_easy", *local], "has no tokenizer.json"),
        ([str(weightless), "--tasks", "arc_easy", *local], "has no weights"),
        ([str(strange), "--tasks", "arc_easy", *local], "is no results file: its format is 'other'"),
        (
            [str(model), "--tasks", "arc_easy", *local, "--out", str(model / "config.json" / "out")],
            "results cannot be written to",
        ),
        ([str(model), str(strange), "--tasks", "arc_easy", *local, "--out", "x.json"], "one file for 2"),
    ):
        assert here("evaluate", *words) == 2, words
        assert said in capsys.readouterr().err
    assert not (model / "evaluation.json").exists()


def test_sets_that_cannot_be_had_are_told_of(
    model: Path, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import datasets

    def unreachable(path: str, *_: Any, **__: Any) -> None:
        raise ConnectionError(f"Couldn't reach {path!r} on the Hub")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    assert here("evaluate", model, "--tasks", "arc_easy") == 1
    said = capsys.readouterr().err
    assert "arc_easy@0 failed: the sets of arc_easy cannot be read: Couldn't reach 'allenai/ai2_arc'" in said
    assert "give local copies of them with --data DIR" in said
    assert "Traceback" not in said


def test_mistakes_are_found_without_torch(made: Path, data: Path) -> None:
    script = (
        "import sys; from trainer.cli import main; code = main(sys.argv[1:]);"
        "print(code, sorted({'torch', 'transformers'} & set(sys.modules)))"
    )
    words = ["evaluate", str(made), "--tasks", "helaswag", "--data", str(data)]
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", script, *words], env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout == "2 []\n"
    assert time.monotonic() - start < 60


def test_a_missing_package_is_named(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    monkeypatch.setitem(sys.modules, "lm_eval.tasks", None)
    monkeypatch.setattr(tasks, "task_manager", tasks.task_manager.__wrapped__)  # nothing from its cache
    assert here("evaluate", model, "--tasks", "arc_easy") == 2
    said = capsys.readouterr().err
    assert "the package lm_eval is not installed" in said
    assert "pip install '.[train,eval]'" in said
    text = tmp_path / "text.txt"
    text.write_text("Perplexity needs none of it.")
    assert here("evaluate", model, "--perplexity", text) == 0


def test_results_in_a_checkpoint_disturb_no_run(data: Path, tmp_path: Path) -> None:
    """`fit --resume`, `init` and `export` go on from a checkpoint that was evaluated; its card has scores."""
    tokens = write_token_folder(
        tmp_path / "tokens", [random_documents(40)], validation=random_documents(8, seed=2)
    )
    (tokens / "tokenizer" / "tokenizer_config.json").write_text('{"bos_token": "<s>", "eos_token": "</s>"}')
    run = tmp_path / "run"
    assert here("fit", "--data.path", tokens, *TINY, "--run", run) == 0
    last = run / "checkpoints" / "last"
    assert here("evaluate", last, "--perplexity", tokens, "--tasks", "arc_easy", "--data", data) == 0
    found = results(last / "evaluation.json")
    assert found["checkpoint"] == "run/checkpoints/step-00000006"
    assert found["step"] == 6
    assert found["tokens"]
    assert here("fit", "--resume", run, "--trainer.max-steps", "8") == 0
    assert (run / "checkpoints" / "last").resolve().name == "step-00000008"
    evaluated_step = run / "checkpoints" / "step-00000006"
    words = ["--model.init.strategy=continue", f"--model.init.source={evaluated_step}"]
    assert here("init", "--out", tmp_path / "made", *words) == 0
    assert not (tmp_path / "made" / "evaluation.json").exists()
    assert here("export", evaluated_step, "--out", tmp_path / "out") == 0
    card = (tmp_path / "out" / "README.md").read_text()
    score = found["results"]["arc_easy@0"]["scores"]["acc_norm"]["value"]
    assert "## Scores" in card
    assert f"| arc_easy@0 | acc_norm | {score:.4f}" in card
    assert found["versions"]["lm_eval"] in card
    assert "perplexity:tokens" in card
