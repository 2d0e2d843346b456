"""Guards, ramps, optimizers and resume: properties of real runs."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from prepcore.arguments.program import Terminated
from tests.trainer.conftest import ROOT
from tests.trainer.folders import random_documents, write_token_folder
from tests.trainer.models import dotted, tiny_llama
from tests.trainer.test_fit import fit_interrupted, last_of, losses, twenty_steps, weights
from trainer.callbacks import plot
from trainer.callbacks.checkpoint import staying
from trainer.config import CheckpointConfig, FitConfig, OptimizerConfig
from trainer.errors import TrainingError
from trainer.fit import fit
from trainer.guard import WARM, Guard
from trainer.model import LlamaModule
from trainer.optimizer import MuonAndAdamW, build_optimizer, hidden_matrices
from trainer.order import StepOrder
from trainer.ramp import StepSizes
from trainer.run_folder import STATE_FILE
from trainer.tokens import TokenFolder


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_token_folder(
        tmp_path_factory.mktemp("tokens") / "t",
        [random_documents(60)],
        validation=random_documents(12, seed=2),
    )


@pytest.fixture
def config(tokens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FitConfig:
    monkeypatch.setattr(plot, "draw", lambda metrics, folder: None)
    return twenty_steps(tokens, tmp_path / "run")


def state(checkpoint: Path) -> dict[str, Any]:
    return dict(torch.load(checkpoint / STATE_FILE, weights_only=True))


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


MUON = {"optimizer": {"name": "muon"}}
RAMP = {"batch": {"tokens": 16 * 16, "ramp_from": 16 * 4, "ramp_tokens": 16 * 70}}
WSD = {"schedule": {"name": "wsd", "decay": "30%", "decay_shape": "sqrt"}, "trainer": {"skip_spikes": 3.0}}


@pytest.mark.parametrize("changes", [MUON, RAMP, WSD], ids=["muon", "ramp", "wsd and spikes"])
def test_resumed_equals_uninterrupted(
    config: FitConfig, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = dotted(config, **changes)
    whole = dataclasses.replace(config, run=f"{config.run}-whole")
    fit(whole)
    real = LlamaModule.loss_sum
    calls = 0

    def interrupt(module: LlamaModule, batch: Any) -> Any:
        nonlocal calls
        calls += module.training
        if calls == 10:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(module, batch)

    monkeypatch.setattr(LlamaModule, "loss_sum", interrupt)
    with pytest.raises(Terminated):
        fit(config)
    monkeypatch.setattr(LlamaModule, "loss_sum", real)
    resumed = fit(dataclasses.replace(config, resume=config.run))
    assert all(
        torch.equal(weights(resumed)[name], weight) for name, weight in weights(last_of(whole)).items()
    )
    assert same(state(resumed), state(last_of(whole)))
    assert losses(config.run) == losses(whole.run)
    assert losses(config.run, "tokens") == losses(whole.run, "tokens")
    assert losses(config.run)[20] < losses(config.run)[1]


KILLED_IN_STEP_13 = """
import os, signal, sys
from trainer.cli import main
from trainer.model import LlamaModule
real = LlamaModule.accumulate
def killed(module, *rest):
    if module.trainer.global_step == 12:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(module, *rest)
LlamaModule.accumulate = killed
main(sys.argv[1:])
"""


def fit_killed(config: FitConfig, like: FitConfig) -> None:
    """Run as another was configured, and kill the run in step 13; its last checkpoint is of step 8."""
    words = ["fit", "--config", f"{like.run}/config.yaml", "--run", config.run]
    paths = os.pathsep.join([str(ROOT / "python"), *filter(None, [os.environ.get("PYTHONPATH")])])
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_IN_STEP_13, *words],
        env={
            **os.environ,
            "PYTHONPATH": paths,
            "OMP_NUM_THREADS": "1",
        },  # as many as here: sums are rounded alike
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert last_of(config).resolve().name == "step-00000008"


def test_killed_and_resumed_equals_uninterrupted(config: FitConfig) -> None:
    whole = dataclasses.replace(config, run=f"{config.run}-whole")
    fit(whole)
    fit_killed(config, like=whole)
    # What was logged behind the last checkpoint is done again, and in the log once.
    assert max(losses(config.run)) == 12
    resumed = fit(dataclasses.replace(config, resume=config.run))
    assert same(weights(resumed), weights(last_of(whole)))
    assert same(state(resumed), state(last_of(whole)))
    for column in ("loss", "tokens", "learning_rate", "gradient_norm", "validation_loss"):
        assert losses(config.run, column) == losses(whole.run, column)
    lines = [len(Path(run, "metrics.csv").read_text().splitlines()) for run in (config.run, whole.run)]
    assert lines[0] == lines[1]


@pytest.mark.parametrize("stop_after", [1, 5, 10])
def test_resumed_at_the_first_step_and_at_the_end_of_an_epoch(
    config: FitConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_after: int
) -> None:
    """Forty rows, eight a step: an epoch ends with step 5, and the next one with step 10."""
    generator = torch.Generator().manual_seed(0)
    documents = torch.randint(3, 96, (40, 16), generator=generator).tolist()
    folder = write_token_folder(tmp_path / "forty", [documents])
    assert TokenFolder.open(folder).train.rows(16) == 40
    config = dotted(config, data={"path": str(folder)}, trainer={"max_steps": 12})
    whole = dataclasses.replace(config, run=f"{config.run}-whole")
    fit(whole)
    fit_interrupted(config, stop_after, monkeypatch)
    assert last_of(config).resolve().name == f"step-{stop_after:08d}"
    resumed = fit(dataclasses.replace(config, resume=config.run))
    assert same(weights(resumed), weights(last_of(whole)))
    assert same(state(resumed), state(last_of(whole)))
    assert losses(config.run) == losses(whole.run)


@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_a_step_left_out_touches_nothing(name: Any) -> None:
    model = tiny_llama()
    optimizer = build_optimizer(model, OptimizerConfig(name=name, learning_rate=0.01))
    moved = []
    for skipped in (0.0, 1.0, 0.0):
        before = [weight.clone() for weight in model.parameters()]
        kept = {key: value.clone() for s in optimizer.state.values() for key, value in _numbered(s)}
        for weight in model.parameters():
            weight.grad = torch.full_like(weight, float("nan") if skipped else 0.1)
        optimizer.found_inf = torch.tensor(skipped)  # type: ignore[attr-defined]
        optimizer.step()
        moved.append(not all(map(torch.equal, before, model.parameters())))
        if skipped:
            after = {key: value for s in optimizer.state.values() for key, value in _numbered(s)}
            assert same(kept, after)
    assert moved == [True, False, True]


def _numbered(values: dict[str, torch.Tensor]) -> list[tuple[Any, torch.Tensor]]:
    return [((id(values), key), value) for key, value in values.items()]


def test_muon_moves_the_hidden_matrices_as_torch_does_and_adamw_the_rest() -> None:
    ours, theirs = tiny_llama(), tiny_llama()
    config = OptimizerConfig(name="muon", learning_rate=0.01, muon_learning_rate=0.02, muon_scale="original")
    optimizer = build_optimizer(ours, config)
    assert isinstance(optimizer, MuonAndAdamW)
    assert [group["rate_share"] for group in optimizer.param_groups] == [2.0, 1.0, 1.0]
    hidden = hidden_matrices(theirs)
    assert len(hidden) == 2 * 7
    plain = torch.optim.Muon(hidden, lr=0.02, weight_decay=0.1, momentum=0.95, adjust_lr_fn="original")
    for _ in range(3):
        for model in (ours, theirs):
            model(input_ids=torch.arange(20)[None], labels=torch.arange(20)[None]).loss.backward()
        for group in optimizer.param_groups:
            group["lr"] = 0.01 * group["rate_share"]
        for weight, other in zip(hidden_matrices(ours), hidden, strict=True):
            other.grad = weight.grad
        optimizer.step()
        plain.step()
    assert all(map(torch.equal, hidden_matrices(ours), hidden))
    taken = [weight for group in optimizer.param_groups for weight in group["params"]]
    assert {id(weight) for weight in taken} == {id(weight) for weight in ours.parameters()}


def test_a_loss_that_is_no_number_is_left_out_and_its_rows_named(
    config: FitConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = LlamaModule.accumulate

    def poisoned(module: LlamaModule, *rest: Any) -> torch.Tensor:
        loss = real(module, *rest)
        return loss * float("nan") if module.trainer.global_step == 12 else loss

    monkeypatch.setattr(LlamaModule, "accumulate", poisoned)
    with pytest.raises(TrainingError, match="of step 13 was not finite") as caught:
        fit(config)
    assert last_of(config).resolve().name == "step-00000008"
    rows = StepOrder(TokenFolder.open(config.data.path).train.rows(16), 8, 0).rows_of_step(12)
    for row in rows:
        assert f"row {row} of {config.data.path}: document" in str(caught.value)


def test_a_spike_is_left_out_on_the_device_and_counted() -> None:
    guard = Guard(sigma=3.0)
    one = torch.tensor(1.0)
    noise = [0.01 * (step % 5) for step in range(WARM)]
    assert not any(guard.judge(step, one + shift, one) for step, shift in enumerate(noise))
    assert guard.judge(WARM, one * 5, one) == 1
    assert guard.judge(WARM + 1, one, one * 5) == 1
    assert guard.judge(WARM + 2, one * float("inf"), one) == 1
    assert (int(guard.spikes), int(guard.first_bad), int(guard.seen)) == (2, WARM + 2, WARM + 2)
    assert not Guard().judge(0, one * 100, one)


@given(
    micro=st.integers(1, 4), first=st.integers(1, 4), more=st.integers(1, 6), ramp=st.integers(1, 200),
    rows=st.integers(0, 400),
)  # fmt: skip
def test_a_ramp_is_a_pure_function_and_misses_no_row(
    micro: int, first: int, more: int, ramp: int, rows: int
) -> None:
    sizes = StepSizes((first + more) * micro, micro, first * micro, ramp)
    seen = 0
    for step in range(60):
        assert sizes.before(step) == seen
        assert sizes.rows(step) % micro == 0
        seen += sizes.rows(step)
    assert sizes.rows(0) == first * micro
    assert sizes.rows(sizes.steps(2 * ramp + 1000)) == sizes.full
    whole = sizes.whole_steps(rows)
    assert sizes.before(whole) <= rows < sizes.before(whole + 1)
    assert sizes.before(sizes.steps(rows)) >= rows


def test_rows_in_a_ramp_come_once_an_epoch() -> None:
    order = StepOrder(30, StepSizes(8, 2, 2, 40), seed=1)
    visited = [row for step in range(20) for row in order.rows_of_step(step).tolist()]
    assert len(visited) > 60
    assert sorted(visited[:30]) == sorted(visited[30:60]) == list(range(30))


def test_which_checkpoints_stay() -> None:
    found = {4: 3.0, 8: 1.0, 12: 2.0, 16: float("nan"), 20: 2.5}
    config = CheckpointConfig(keep=1, best=2, keep_every=16)
    assert staying(found, found, config) == (8, {8, 12, 16, 20})
    assert staying(found, {}, CheckpointConfig(keep=2)) == (None, {16, 20})


def test_the_best_checkpoint_stays(config: FitConfig) -> None:
    fit(dotted(config, trainer={"max_steps": 16}, checkpoint={"keep": 1}))
    found = losses(config.run, "validation_loss")
    best = min((8, 16), key=found.__getitem__)
    folder = Path(config.run) / "checkpoints"
    assert (folder / "best").resolve().name == f"step-{best:08d}"
