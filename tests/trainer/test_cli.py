"""The command as users type it, as a rule in a process of its own."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
import yaml
from transformers import AutoModelForCausalLM

from tests.trainer.conftest import ROOT
from tests.trainer.folders import random_documents, write_byte_tokenizer, write_token_folder
from trainer.cli import main

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


def here(*words: str | Path) -> int:
    """Run a command in this process, where torch is imported already."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        return main([*map(str, words)])
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["fit", "--help"],
        ["plan", "--help"],
        ["judge", "--help"],
        ["compare", "--help"],
        ["evaluate", "--help"],
        ["fit", "--print-config", "--config", "demo"],
    ],
)
def test_help_is_light(words: list[str]) -> None:
    program = "import sys; from trainer.cli import main; code = main(sys.argv[1:]); "
    program += "print(sorted(sys.modules), file=sys.stderr); sys.exit(code)"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = subprocess.run(
        [sys.executable, "-c", program, *words],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{' '.join(words)}: {seconds:.2f} s of CPU")
    assert result.returncode == 0, result.stderr
    for heavy in ("torch", "transformers", "pytorch_lightning", "polars", "numpy", "rich"):
        assert f"'{heavy}'" not in result.stderr


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


def test_fit_stop_resume_generate_and_init(
    tokens: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["fit", *TINY, "--data.path", tokens, "--run", "run"]
    running = subprocess.Popen(
        [sys.executable, "-m", "trainer", *map(str, words), "--trainer.max-steps", "100000"],
        env=environment(), cwd=tmp_path, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    log = tmp_path / "run" / "metrics.csv"
    deadline = time.monotonic() + 120
    while not (log.is_file() and "\n10," in log.read_text()) and time.monotonic() < deadline:
        time.sleep(0.1)
    running.send_signal(signal.SIGTERM)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 143, said
    assert "continue with --resume run" in said

    checkpoint = tmp_path / "run" / "checkpoints" / "last"
    saved = int(checkpoint.resolve().name.removeprefix("step-"))
    resumed = trainer("fit", "--resume", "run", "--trainer.max-steps", saved + 2, cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout == "run/checkpoints/last\n"
    assert f"continuing run after step {saved}" in resumed.stderr
    assert f"step {saved + 2}/{saved + 2}" in resumed.stderr
    for noise in ("Traceback", "Warning", "💡", "TPU", "weights_only", "Trainer.fit"):
        assert noise not in said + resumed.stderr, said + resumed.stderr

    again = trainer(*words, cwd=tmp_path)
    assert again.returncode == 2
    assert "--run run is not empty" in again.stderr

    words = ["generate", checkpoint, "--prompt", "abc", "--max-new-tokens", "5", "--temperature", "0"]
    continued = trainer(*words)
    assert continued.returncode == 0, continued.stderr
    assert continued.stdout.startswith("abc")
    assert continued.stderr == ""

    words = ["--model.init.strategy=upscale", f"--model.init.source={checkpoint}", "--model.init.layers=4"]
    deep = tmp_path / "deep"
    assert here("init", *words, "--out", deep) == 0
    assert "source layers [0, 1, 0, 1]" in capsys.readouterr().out
    assert (deep / "tokenizer.json").is_file()
    assert not (deep / "training_state.pt").exists()
    assert AutoModelForCausalLM.from_pretrained(deep).config.num_hidden_layers == 4


def test_rows_in_parquet_are_trained_on_and_those_that_do_not_fit_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = tmp_path / "rows.parquet"
    pl.DataFrame({"input_ids": [[row, 1, 2, 3] for row in range(32)]}).write_parquet(rows)
    words = ["fit", *TINY, "--data.path", "rows.parquet", "--run", "run"]
    refused = trainer(*words, "--model.vocab-size", "31", cwd=tmp_path)
    assert refused.returncode == 2
    assert "row 31 of rows.parquet has the id 31, wanted less than 31" in refused.stderr
    assert "Traceback" not in refused.stderr

    write_byte_tokenizer(tmp_path / "tokenizer", 40)
    words = ["fit", *TINY, "--data.path", str(rows), "--data.tokenizer", str(tmp_path / "tokenizer")]
    assert here(*words, "--run", tmp_path / "run") == 0
    said = capsys.readouterr().err
    assert "converting" not in said  # the run that was refused has done it
    assert "they have no document borders, so documents that share one are not isolated" in said
    assert (tmp_path / "run" / "checkpoints" / "last" / "tokenizer.json").is_file()


def test_a_missing_package_is_named_with_the_way_to_install_it() -> None:
    from prepcore.arguments import UsageError
    from trainer.commands import needs_training_packages

    @needs_training_packages
    def run(package: str) -> int:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)

    with pytest.raises(UsageError, match=r"torch is not installed\nhint: install the extra `train`"):
        run("torch")
    with pytest.raises(ModuleNotFoundError):
        run("trainer.none_such")
