"""Several processes over gloo, two as a rule: the same training as in one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributed.fsdp import FSDPModule

from prepcore.arguments import UsageError
from tests.trainer.conftest import ROOT
from tests.trainer.folders import random_documents, write_token_folder
from tests.trainer.in_processes import half, own_training
from tests.trainer.models import dotted, tiny_llama, tiny_model_config
from tests.trainer.test_cli import here
from tests.trainer.test_faults import same, state
from tests.trainer.test_fit import losses, weights
from trainer.callbacks import plot
from trainer.callbacks.lines import read
from trainer.compute import resolve_compute
from trainer.config import (
    BatchConfig,
    CheckpointConfig,
    DataConfig,
    FitConfig,
    OptimizerConfig,
    ScheduleConfig,
    TrainerConfig,
)
from trainer.data import Rows, Steps
from trainer.fit import fit
from trainer.launch import environment
from trainer.loss import IGNORED
from trainer.order import StepOrder
from trainer.processes import Place, processes_of
from trainer.ramp import StepSizes
from trainer.resolve import resolve
from trainer.run_folder import LAST, RunFolder, all_checkpoints
from trainer.sharing import blank, outline_of
from trainer.tokens import TokenFolder

STEPS = 12
HALF = 6
CLIP = 0.9  # above some of the norms of this training, and below others


def pair_environment(rank: int, folder: Path) -> dict[str, str]:
    here = [str(ROOT), str(ROOT / "python"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **environment(rank, 2, folder / "rendezvous"),
        "PYTHONPATH": os.pathsep.join(here),
        "OMP_NUM_THREADS": "1",
    }


def alone_environment() -> dict[str, str]:
    paths = [str(ROOT / "python"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows with padding: no two processes have as many targets. Five micro-batches are held out."""
    folder = write_token_folder(
        tmp_path_factory.mktemp("tokens") / "t",
        [random_documents(100)],
        validation=random_documents(11, seed=2),
        packing="best-fit",
    )
    opened = TokenFolder.open(folder)
    assert opened.validation is not None
    assert -(-opened.validation.rows(16) // 4) % 2 == 1
    return folder


def configuration(tokens: Path, run: Path) -> FitConfig:
    """Twelve steps of four micro-batches."""
    return FitConfig(
        data=DataConfig(path=str(tokens)),
        model=tiny_model_config(),
        batch=BatchConfig(tokens=16 * 16, micro=4),
        optimizer=OptimizerConfig(learning_rate=1e-2),
        schedule=ScheduleConfig(warmup="2"),
        trainer=TrainerConfig(
            max_steps=STEPS,
            accelerator="cpu",
            precision="32-true",
            val_check_interval=HALF,
            log_every_n_steps=1,
            gradient_clip_val=CLIP,
        ),
        checkpoint=CheckpointConfig(keep=9),
        run=str(run),
    )


@dataclass
class Runs:
    """Runs of one configuration, alone and in a pair of processes; its exit codes, and what it said."""

    folder: Path
    codes: dict[str, list[int]] = field(default_factory=dict)
    said: dict[str, list[str]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Path:
        return self.folder / name

    def in_pair(self, commands: dict[str, list[str]]) -> None:
        """Run commands in two processes."""
        place = self.folder / "pair"
        place.mkdir()
        (place / "commands.json").write_text(json.dumps(list(commands.values())))
        driver = Path(__file__).with_name("in_processes.py")
        processes = [
            subprocess.Popen(
                [sys.executable, str(driver), str(place / "commands.json"), str(place)],
                env=pair_environment(rank, place),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
            )
            for rank in range(2)
        ]
        for process in processes:
            assert process.wait(timeout=600) == 0
        for number, name in enumerate(commands):
            told = [place / f"{number}-{rank}.txt" for rank in range(2)]
            self.said[name] = [file.read_text() if file.exists() else "" for file in told]
            self.codes[name] = [
                json.loads((place / f"codes-{rank}.json").read_text())[number] for rank in range(2)
            ]


TARGETS = ("one", "ddp", "fsdp")


@pytest.fixture(scope="module")
def runs(tokens: Path, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """The run alone and in two processes, and each of them continued as each of the others."""
    folder = tmp_path_factory.mktemp("runs")
    runs, draw = Runs(folder), plot.draw
    plot.draw = lambda metrics, folder: None
    config = configuration(tokens, runs["one"])
    fit(config)
    words = ["fit", "--config", str(runs["one"] / "config.yaml")]
    fsdp = ["--trainer.strategy", "fsdp"]
    commands = {
        "ddp": [*words, "--run", str(runs["ddp"])],
        "fsdp": [*words, "--run", str(runs["fsdp"]), *fsdp],
        "zero 2": [*words, "--run", str(runs["zero 2"]), *fsdp, "--trainer.reshard-after-forward", "false"],
        "poisoned": ["poisoned", *words, "--run", str(runs["poisoned"]), "--checkpoint.interval", "3"],
        "stopped": ["stopped", *words, "--run", str(runs["stopped"]), *fsdp],
        "refused": [*words, "--run", str(runs["refused"]), "--prompts", str(folder / "none.txt")],
        "own": ["own", str(tokens), str(runs["own"])],
    }
    for of in TARGETS:
        for to in TARGETS[1:]:
            run = str(runs[f"{of} as {to}"])
            commands[f"half of {of} for {to}"] = ["half", str(runs[of]), run]
            commands[f"{of} as {to}"] = ["fit", "--resume", run, "--trainer.strategy", to]
    runs.in_pair(commands)
    for of in TARGETS[1:]:
        copy = half(runs[of], runs[f"{of} as one"])
        assert here("fit", "--resume", copy, "--trainer.strategy", "auto") == 0
    plot.draw = draw
    return runs


def last(run: Path) -> Path:
    return run / "checkpoints" / LAST


def furthest(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    assert one.keys() == other.keys()
    return max((one[name] - other[name]).abs().max().item() for name in one)


def assert_same_training(run: Path, other: Path) -> None:
    """Hold two runs together: losses to 1e-6, norms and weights to 1e-5, the same files."""
    for column in ("loss", "gradient_norm", "validation_loss", "learning_rate", "tokens"):
        found, wanted = losses(run, column), losses(other, column)
        assert found.keys() == wanted.keys()
        off = max(abs(found[step] - value) for step, value in wanted.items())
        print(f"{run.name}, {column}: off by {off:.1e}")
        assert off <= (1e-5 if column == "gradient_norm" else 1e-6)
    assert furthest(weights(last(run)), weights(last(other))) < 1e-5
    assert [path.name for path in sorted(last(run).iterdir())] == [
        path.name for path in sorted(last(other).iterdir())
    ]


@pytest.mark.parametrize("name", ["ddp", "fsdp", "zero 2"])
def test_two_processes_train_as_one(runs: Runs, name: str) -> None:
    assert runs.codes[name] == [0, 0]
    assert_same_training(runs[name], runs["one"])
    norms = losses(runs["one"], "gradient_norm")
    assert len(norms) == STEPS
    assert min(norms.values()) < CLIP < max(norms.values())
    assert losses(runs[name])[STEPS] < losses(runs[name])[1]


# One process as one process is what test_fit shows.
@pytest.mark.parametrize(("of", "to"), [pair for pair in product(TARGETS, TARGETS) if set(pair) != {"one"}])
def test_a_checkpoint_of_any_continues_as_any_other(runs: Runs, of: str, to: str) -> None:
    name = f"{of} as {to}"
    if to != "one":
        assert runs.codes[name] == [0, 0]
        assert "after step 6" in runs.said[name][0]
    assert_same_training(runs[name], runs["one"])
    if of == to:  # bit for bit, as in one process
        assert same(weights(last(runs[name])), weights(last(runs[of])))
        assert same(state(last(runs[name])), state(last(runs[of])))
        assert losses(runs[name]) == losses(runs[of])


def test_the_training_state_is_that_of_one_process(runs: Runs) -> None:
    """Same keys, same shapes, moments to rounding."""

    def close(one: Any, other: Any) -> bool:
        if isinstance(one, torch.Tensor):
            return one.shape == other.shape and torch.allclose(one.float(), other.float(), atol=1e-6)
        if isinstance(one, dict):
            return one.keys() == other.keys() and all(close(one[key], other[key]) for key in one)
        if isinstance(one, list | tuple):
            return len(one) == len(other) and all(map(close, one, other))
        return bool(one == other)

    alone = state(last(runs["one"]))
    for name in ("ddp", "fsdp"):
        there = state(last(runs[name]))
        assert there.keys() == alone.keys()
        assert close(alone["optimizer_states"], there["optimizer_states"])
        assert there["global_step"] == STEPS


def test_one_process_speaks(runs: Runs) -> None:
    for name in ("ddp", "fsdp", "ddp as fsdp"):
        first, second = runs.said[name]
        assert second == ""
        assert first.count("step 12/12") == 1
    assert "shared by 2 processes (ddp)" in runs.said["ddp"][0]
    assert "shared by 2 processes (fsdp)" in runs.said["fsdp"][0]
    steps = [int(line["step"]) for line in read(runs["fsdp"] / "metrics.csv")]
    assert steps == [0, *range(1, 7), 6, *range(7, 13), 12]
    about = json.loads((runs["ddp"] / "run.json").read_text())
    assert about["processes"] == 2
    assert about["device"].startswith("2 x ")


def test_a_number_that_is_none_in_one_process_stops_all_and_names_the_rows(runs: Runs, tokens: Path) -> None:
    assert runs.codes["poisoned"] == [1, 1]
    first, second = runs.said["poisoned"]
    assert second == ""
    assert "of step 5 was not finite" in first
    assert last(runs["poisoned"]).resolve().name == "step-00000003"
    rows = StepOrder(TokenFolder.open(tokens).train.rows(16), 16, 0).rows_of_step(4)
    for row in rows:
        assert f"row {row} of {tokens}" in first


def test_a_signal_to_one_process_stops_all_at_one_step(runs: Runs, tokens: Path) -> None:
    assert runs.codes["stopped"] == [143, 143]
    first, second = runs.said["stopped"]
    assert second == ""
    assert first.count("stopped after step") == 1
    (checkpoint,) = all_checkpoints(RunFolder(runs["stopped"]).checkpoints)
    assert checkpoint.name == "step-00000005"  # two micro-batches after the signal
    assert here("fit", "--resume", runs["stopped"], "--trainer.strategy", "auto") == 0
    assert_same_training(runs["stopped"], runs["one"])


def test_what_one_process_refuses_all_refuse_and_one_says(runs: Runs) -> None:
    assert runs.codes["refused"] == [2, 2]
    first, second = runs.said["refused"]
    assert "none.txt cannot be read" in first
    assert second == ""
    assert not runs["refused"].exists()


def test_a_training_of_ones_own_shares_the_rows(runs: Runs, tokens: Path, tmp_path: Path) -> None:
    own_training(tokens, tmp_path / "alone", devices=1)
    loss, validation, model = torch.load(tmp_path / "alone")
    loss_of_two, validation_of_two, model_of_two = torch.load(runs["own"])
    assert abs(loss - loss_of_two) <= 1e-6
    assert abs(validation - validation_of_two) <= 1e-6
    assert furthest(model, model_of_two) < 1e-5


def command(config: FitConfig, *words: str | Path) -> list[str]:
    run = RunFolder(Path(config.run))
    run.path.mkdir(parents=True)
    run.note(config)
    file = run.configuration.rename(run.path.with_suffix(".yaml"))
    run.path.rmdir()
    return ["fit", "--config", str(file), *map(str, words)]


def wait_for(path: Path, lines: int, process: subprocess.Popen[str]) -> None:
    while len(read(path)) < lines:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


def test_fit_starts_its_processes_and_a_signal_to_it_saves(tokens: Path, tmp_path: Path) -> None:
    config = dotted(configuration(tokens, tmp_path / "run"), trainer={"max_steps": 100_000, "devices": 2})
    process = subprocess.Popen(
        [sys.executable, "-m", "trainer", *command(config)],
        env=alone_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(tmp_path / "run" / "metrics.csv", 4, process)
    process.send_signal(signal.SIGTERM)
    out, said = process.communicate()
    assert process.returncode == 143, said
    assert out == ""
    assert said.count("trainer: stopped by SIGTERM") == 1
    assert said.count("stopped after step") == 1
    checkpoint = last(tmp_path / "run").resolve()
    step = int(checkpoint.name.removeprefix("step-"))
    assert f"stopped after step {step}; continue with --resume" in said
    assert state(checkpoint)["global_step"] == step
    # One process goes on: the options of the run say two.
    more = ["--trainer.devices", "null", "--trainer.max-steps", str(step + 2)]
    assert here("fit", "--resume", tmp_path / "run", *more) == 0
    assert max(losses(tmp_path / "run")) == step + 2


def children(process: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the children of a process are not told")
def test_a_dead_process_ends_the_run(tokens: Path, tmp_path: Path) -> None:
    config = dotted(configuration(tokens, tmp_path / "run"), trainer={"devices": 2})
    process = subprocess.Popen(
        [sys.executable, "-m", "trainer", *command(config)],
        env=alone_environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    while len(both := children(process.pid)) < 2:
        assert process.poll() is None
        time.sleep(0.05)
    os.kill(both[1], signal.SIGKILL)
    _, said = process.communicate()
    assert process.returncode == 128 + signal.SIGKILL
    assert "process 1 of 2 was killed by SIGKILL, and the run is over" in said
    assert not any(Path(f"/proc/{child}").exists() for child in both)


def test_torchrun_starts_them_and_one_evaluates(tokens: Path, tmp_path: Path, runs: Runs) -> None:
    evaluating = ["--evaluation.every", STEPS, "--evaluation.perplexity", tokens]
    words = command(
        configuration(tokens, tmp_path / "other"), "--run", tmp_path / "run", *map(str, evaluating)
    )
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*torchrun, "-m", "--", "trainer", *words],
        env=alone_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(last(tmp_path / "run"))]
    assert done.stderr.count("step 12/12") == 1
    assert done.stderr.count("perplexity:t ") == 1
    (evaluation,) = (tmp_path / "run" / "evaluations").iterdir()
    assert json.loads(evaluation.read_text())["step"] == STEPS
    assert_same_training(tmp_path / "run", runs["one"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--batch.tokens", "192"], "batch.tokens is 192, wanted a multiple of 128"),
        (["--trainer.num-nodes", "2"], "trainer.num-nodes is 2, but this process was started alone"),
        (["--optimizer.name", "muon", "--trainer.strategy", "fsdp"], "optimizer.name is muon"),
        (["--trainer.reshard-after-forward", "true"], "has no effect when trainer.strategy is auto"),
        (
            ["--trainer.accelerator", "mps"],
            "trainer.devices is 2, but with trainer.accelerator mps there is 1",
        ),
    ],
)
def test_what_does_not_fit_is_refused(
    tokens: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: Sequence[str], message: str
) -> None:
    config = dotted(configuration(tokens, tmp_path / "run"), trainer={"devices": 2})
    assert here(*command(config, *words)) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_what_was_started_wins_or_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RANK": 3, "WORLD_SIZE": 4, "LOCAL_RANK": 1, "LOCAL_WORLD_SIZE": 2}.items():
        monkeypatch.setenv(name, str(value))
    place = Place.of_environment()
    assert (place.first, place.nodes, place.started) == (False, 2, True)
    assert processes_of(TrainerConfig()) == processes_of(TrainerConfig(devices=2, num_nodes=2)) == 4
    with pytest.raises(UsageError, match=r"trainer\.devices is 4, but 2 processes on each node were started"):
        processes_of(TrainerConfig(devices=4))
    with pytest.raises(UsageError, match=r"trainer\.num-nodes is 1, but 2 nodes were started"):
        processes_of(TrainerConfig(devices=2, num_nodes=1))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_more_devices_than_there_are_are_refused() -> None:
    from trainer.checks import check_accelerator

    check_accelerator("cpu", 64)
    with pytest.raises(UsageError, match=r"trainer\.accelerator is gpu, but torch finds none"):
        check_accelerator("gpu", 2)


@given(processes=st.integers(1, 5), step=st.integers(0, 30))
def test_processes_share_the_rows_of_a_step(processes: int, step: int, tokens: Path) -> None:
    """A ramp by one micro-batch at a time: what cannot be shared alike is made up for, without targets."""
    split = TokenFolder.open(tokens).train
    order = StepOrder(split.rows(16), StepSizes(24, 2, 2, 100), seed=1)

    def batch(process: int, processes: int) -> dict[str, torch.Tensor]:
        steps = Steps(split, order, length=16, micro=2, isolate=True, share=(process, processes))
        return steps[step]

    whole = batch(0, 1)
    parts = [batch(process, processes) for process in range(processes)]
    assert len({part["input_ids"].shape for part in parts}) == 1
    found = [
        {name: ids[index] for name, ids in part.items()}
        for part in parts
        for index in range(part["input_ids"].shape[0])
        if (part["labels"][index] != IGNORED).any()
    ]
    assert len(found) == whole["input_ids"].shape[0]
    assert all(micro.keys() == whole.keys() for micro in found)
    for name in whole:
        ids_found = sorted(micro[name].flatten().tolist() for micro in found)
        assert ids_found == sorted(ids.flatten().tolist() for ids in whole[name])


def test_beyond_the_last_row_held_out_nothing_counts(tokens: Path) -> None:
    validation = TokenFolder.open(tokens).validation
    assert validation is not None
    rows = Rows(validation, length=16, micro=4, isolate=True)
    assert (rows[len(rows)]["labels"] == IGNORED).all()
    assert rows[len(rows)]["input_ids"].shape == rows[0]["input_ids"].shape


@pytest.mark.parametrize("tied", [False, True])
def test_a_model_is_received_whole(tied: bool) -> None:
    model = tiny_llama(tie_word_embeddings=tied)
    model.model.layers[0].requires_grad_(False)
    received = blank(outline_of(model))
    assert not isinstance(received, FSDPModule)
    names = [name for name, _ in model.named_parameters()]
    assert [name for name, _ in received.named_parameters()] == names
    assert [weight.requires_grad for weight in received.parameters()] == [
        weight.requires_grad for weight in model.parameters()
    ]
    tensors = zip(
        (*model.parameters(), *model.buffers()), (*received.parameters(), *received.buffers()), strict=True
    )
    for tensor, other in tensors:
        assert tensor.shape == other.shape
        other.data.copy_(tensor)
    ids = torch.arange(20)[None]
    assert torch.equal(model(input_ids=ids).logits, received(input_ids=ids).logits)


def test_resolve_counts_the_processes(tokens: Path, tmp_path: Path) -> None:
    config = configuration(tokens, tmp_path)
    folder = TokenFolder.open(tokens)
    assert resolve(dotted(config, trainer={"devices": 4}), folder).rows_per_step == 16
    with pytest.raises(UsageError, match="for each of 3 processes"):
        resolve(dotted(config, trainer={"devices": 3}), folder)
    with pytest.raises(UsageError, match="as it is one micro-batch where nothing is set"):
        resolve(dotted(config, trainer={"devices": 2}, batch={"tokens": None}), folder)


def test_spread_layers_are_not_compiled(tokens: Path, tmp_path: Path) -> None:
    spread = dotted(configuration(tokens, tmp_path), trainer={"devices": 2, "strategy": "fsdp"})
    asked: dict[str, Any] = {"length": 16, "tokens": 10**15, "precision": "32-true", "packed": True}
    assert resolve_compute(spread, tiny_llama(), **asked).compile == "off"
    with pytest.raises(
        UsageError, match=r"compute\.compile is on, but compiling layers whose weights are spread"
    ):
        resolve_compute(dotted(spread, compute={"compile": "on"}), tiny_llama(), **asked)
