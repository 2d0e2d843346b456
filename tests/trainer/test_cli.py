"""The command as users type it, each in a process of its own."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from transformers import AutoModelForCausalLM

from tests.trainer.conftest import ROOT
from tests.trainer.folders import random_documents, write_token_folder

SIZES = "hidden-size=32 intermediate-size=64 num-hidden-layers=2 num-attention-heads=4"
TINY = [
    *(f"--model.{size}" for size in SIZES.split()),
    *["--trainer.accelerator", "cpu", "--trainer.max-steps", "6", "--trainer.log-every-n-steps", "2"],
]


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_token_folder(
        tmp_path_factory.mktemp("tokens") / "t",
        [random_documents(40)],
        validation=random_documents(8, seed=2),
    )


def environment() -> dict[str, str]:
    paths = [str(ROOT / "python"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}


def trainer(*words: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "trainer", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, env=environment(), cwd=cwd, check=False)


@pytest.mark.parametrize(
    "words", [["--help"], ["fit", "--help"], ["fit", "--print-config", "--config", "demo"]]
)
def test_help_is_light(words: list[str]) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = trainer(*words)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{' '.join(words)}: {seconds:.2f} s of CPU")
    assert result.returncode == 0, result.stderr
    run = "import sys; from trainer.cli import main; main(sys.argv[1:])"
    program = f"{run}; print(sorted(sys.modules), file=sys.stderr)"
    imported = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, env=environment(), check=True
    ).stderr
    for heavy in ("torch", "transformers", "pytorch_lightning", "polars", "numpy", "rich"):
        assert f"'{heavy}'" not in imported


def test_version() -> None:
    assert trainer("--version").stdout.strip() == "trainer 0.1.0"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fit", "--data.path", "x", "--optimizer.learning-rat", "1"], "optimizer.learning-rate"),
        (["fit", "--data.path", "x", "--config", "demmo"], "did you mean demo?"),
        (["fti"], "did you mean python -m trainer fit?"),
        (["fit", "--config", "demo", "--data.path", "nowhere"], "there is no folder nowhere"),
        (["fit", "--config", "demo"], "--data.path"),
    ],
)
def test_mistakes_exit_2_with_a_sentence(words: list[str], said: str, tmp_path: Path) -> None:
    result = trainer(*words, cwd=tmp_path)
    assert result.returncode == 2, result.stderr
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.splitlines()) <= 2
    assert list(tmp_path.iterdir()) == []


def test_print_config_reads_back(tmp_path: Path) -> None:
    printed = trainer(
        "fit", "--print-config", "--config", "demo", "--data.path", "x", "--batch.micro=3"
    ).stdout
    assert yaml.safe_load(printed)["batch"]["micro"] == 3
    (tmp_path / "again.yaml").write_text(printed)
    assert trainer("fit", "--print-config", "--config", tmp_path / "again.yaml").stdout == printed


def test_fit_generate_and_init(tokens: Path, tmp_path: Path) -> None:
    result = trainer("fit", *TINY, "--data.path", tokens, "--run", "run", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "run/checkpoints/last\n"
    for noise in ("Traceback", "Warning", "💡", "TPU", "weights_only", "Trainer.fit"):
        assert noise not in result.stderr, result.stderr
    assert "step 6/6" in result.stderr

    again = trainer("fit", *TINY, "--data.path", tokens, "--run", "run", cwd=tmp_path)
    assert again.returncode == 2
    assert "--run run is not empty" in again.stderr

    checkpoint = tmp_path / "run" / "checkpoints" / "last"
    words = ["generate", checkpoint, "--prompt", "abc", "--max-new-tokens", "5", "--temperature", "0"]
    continued = trainer(*words)
    assert continued.returncode == 0, continued.stderr
    assert continued.stdout.startswith("abc")
    assert continued.stderr == ""

    words = ["--model.init.strategy=upscale", f"--model.init.source={checkpoint}", "--model.init.layers=4"]
    made = trainer("init", *words, "--out", "deep", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert "source layers [0, 1, 0, 1]" in made.stdout
    assert (tmp_path / "deep" / "tokenizer.json").is_file()
    assert not (tmp_path / "deep" / "training_state.pt").exists()
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "deep").config.num_hidden_layers == 4


def test_terminate_saves_exits_143_and_resumes(tokens: Path, tmp_path: Path) -> None:
    words = ["fit", *TINY, "--data.path", tokens, "--run", "run", "--trainer.max-steps", "100000"]
    running = subprocess.Popen(
        [sys.executable, "-m", "trainer", *map(str, words)], env=environment(), cwd=tmp_path,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    log = tmp_path / "run" / "metrics.csv"
    deadline = time.monotonic() + 120
    while not (log.is_file() and "\n10," in log.read_text()) and time.monotonic() < deadline:
        time.sleep(0.1)
    running.send_signal(signal.SIGTERM)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 143, said
    assert "continue with --resume run" in said
    saved = int((tmp_path / "run" / "checkpoints" / "last").resolve().name.removeprefix("step-"))
    resumed = trainer("fit", "--resume", "run", "--trainer.max-steps", saved + 2, cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert f"continuing run after step {saved}" in resumed.stderr
    assert f"step {saved + 2}/{saved + 2}" in resumed.stderr
