from __future__ import annotations

import dataclasses
import math
import os
import signal
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F
from transformers import AutoModelForCausalLM

from prepcore.arguments import UsageError
from tests.trainer.folders import random_documents, write_token_folder
from tests.trainer.models import dotted, tiny_model_config
from trainer.callbacks import metrics, plot
from trainer.callbacks.checkpoint import SaveCheckpoints
from trainer.config import (
    BatchConfig,
    CheckpointConfig,
    DataConfig,
    FitConfig,
    InitConfig,
    ModelConfig,
    OptimizerConfig,
    TrainerConfig,
)
from trainer.errors import TrainingError
from trainer.fit import fit
from trainer.initialize.random import random_configuration, random_model
from trainer.optimizer import parameter_groups
from trainer.order import StepOrder
from trainer.resolve import resolve, schedule_of
from trainer.run_folder import STATE_FILE
from trainer.tokens import TokenFolder


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_token_folder(
        tmp_path_factory.mktemp("tokens") / "t",
        [random_documents(60), random_documents(40, seed=1)],
        validation=random_documents(12, seed=2),
    )


def twenty_steps(tokens: Path, run: Path) -> FitConfig:
    """Twenty steps of two micro-batches, over more than one epoch."""
    return FitConfig(
        data=DataConfig(path=str(tokens)),
        model=tiny_model_config(),
        batch=BatchConfig(tokens=16 * 8, micro=4),
        optimizer=OptimizerConfig(learning_rate=1e-2),
        trainer=TrainerConfig(
            max_steps=20, accelerator="cpu", precision="32-true", val_check_interval=8, log_every_n_steps=1
        ),
        checkpoint=CheckpointConfig(keep=9),
        run=str(run),
    )


@pytest.fixture
def config(tokens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FitConfig:
    """A run of a test's own. It draws no pictures, which cost more than the training here."""
    monkeypatch.setattr(plot, "draw", lambda metrics, folder: None)
    return twenty_steps(tokens, tmp_path / "run")


@pytest.fixture(scope="module")
def whole(tokens: Path, tmp_path_factory: pytest.TempPathFactory) -> FitConfig:
    """A run that went through undisturbed, for the tests that look at it or compare with it."""
    config = twenty_steps(tokens, tmp_path_factory.mktemp("whole") / "run")
    assert fit(config) == last_of(config)
    return config


def last_of(config: FitConfig) -> Path:
    return Path(config.run) / "checkpoints" / "last"


def losses(run: str | Path, column: str = "loss") -> dict[int, float]:
    lines = metrics.read(Path(run) / "metrics.csv")
    return {int(line["step"]): float(line[column]) for line in lines if line[column]}


def weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    return dict(AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).named_parameters())


def plain_loop(config: FitConfig) -> tuple[list[float], dict[str, torch.Tensor]]:
    """The same training in plain PyTorch, with stock attention, whole logits and no micro-batches."""
    folder = TokenFolder.open(config.data.path)
    numbers = resolve(config, folder)
    schedule = schedule_of(config, numbers)
    described = random_configuration(
        config.model, vocabulary_size=folder.vocabulary_size, sequence_length=numbers.length, bos=1, eos=2
    )
    model = random_model(described, config.seed)
    groups = parameter_groups(model, weight_decay=0.1, decay_embeddings=False)
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.95), eps=1e-8)
    order = StepOrder(folder.train.rows(numbers.length), numbers.rows_per_step, config.seed)
    found = []
    for step in range(numbers.total_steps):
        rows = order.rows_of_step(step)
        ids = torch.from_numpy(folder.train.read(rows, numbers.length))
        positions = torch.from_numpy(folder.train.positions(rows, numbers.length))
        document = (positions == 0).cumsum(1)
        mask = (document[:, None, :, None] == document[:, None, None, :]) & torch.ones(16, 16).bool().tril()
        logits = model(input_ids=ids, position_ids=positions, attention_mask=mask, use_cache=False).logits
        if (filled := folder.train.mask(rows, numbers.length)) is not None:
            ids = ids.where(torch.from_numpy(filled), -100)
        loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = schedule(step)
        optimizer.step()
        optimizer.zero_grad()
        found.append(loss.item())
    return found, dict(model.named_parameters())


def test_twenty_steps_equal_a_plain_loop(whole: FitConfig) -> None:
    checkpoint = last_of(whole)
    found = losses(whole.run)
    wanted, model = plain_loop(whole)
    assert sorted(found) == list(range(1, 21))
    off = max(abs(found[step + 1] - loss) for step, loss in enumerate(wanted))
    weights_off = max(
        (weight - model[name]).abs().max().item() for name, weight in weights(checkpoint).items()
    )
    print(f"largest difference from a plain loop: loss {off:.2e}, weight {weights_off:.2e}")
    assert off < 1e-4
    assert weights_off < 1e-4
    assert found[20] < found[1]


def test_padded_rows_equal_a_plain_loop(config: FitConfig, tmp_path: Path) -> None:
    padded = write_token_folder(
        tmp_path / "best-fit",
        [random_documents(60), random_documents(40, seed=1)],
        validation=random_documents(12, seed=2),
        packing="best-fit",
    )
    config = dataclasses.replace(config, data=DataConfig(path=str(padded)))
    rows = TokenFolder.open(padded).train.packed(16)
    assert rows.padding > 20
    checkpoint = fit(config)
    found = losses(config.run)
    wanted, model = plain_loop(config)
    assert max(abs(found[step + 1] - loss) for step, loss in enumerate(wanted)) < 1e-4
    for name, weight in weights(checkpoint).items():
        assert (weight - model[name]).abs().max() < 1e-4


def test_what_a_run_leaves_behind(whole: FitConfig) -> None:
    checkpoint = last_of(whole)
    run = Path(whole.run)
    assert sorted(path.name for path in run.iterdir()) == [
        "checkpoints",
        "config.yaml",
        "initialization.json",
        "loss.png",
        "loss.svg",
        "metrics.csv",
        "report.html",
        "run.json",
    ]
    assert sorted(path.name for path in checkpoint.parent.iterdir()) == [
        "best",
        "last",
        "step-00000008",
        "step-00000016",
        "step-00000020",
    ]
    assert checkpoint.resolve().name == "step-00000020"
    for name in ("config.json", "generation_config.json", "model.safetensors", "tokenizer.json", STATE_FILE):
        assert (checkpoint / name).is_file(), name
    validation = losses(run, "validation_loss")
    assert sorted(validation) == [0, 8, 16, 20]
    assert losses(run, "perplexity")[20] == pytest.approx(math.exp(validation[20]))
    # The test folders claim three bytes a token.
    assert losses(run, "bits_per_byte")[20] == pytest.approx(validation[20] / math.log(2) / 3)


def test_validation_loss_is_that_of_the_checkpoint(whole: FitConfig) -> None:
    model = AutoModelForCausalLM.from_pretrained(last_of(whole), dtype=torch.float32)
    split = TokenFolder.open(whole.data.path).validation
    assert split is not None
    import numpy as np

    total = torch.zeros(())
    for row in range(split.rows(16)):
        ids = torch.from_numpy(split.read(np.array([row]), 16))[0]
        positions = torch.from_numpy(split.positions(np.array([row]), 16))[0]
        # Every document of the row alone; its last token predicts the first of the next.
        starts = [*(positions == 0).nonzero().flatten().tolist(), 16]
        logits = torch.cat([model(ids[None, a:b]).logits[0] for a, b in pairwise(starts)])
        total += F.cross_entropy(logits[:-1], ids[1:], reduction="sum").detach()
    wanted = (total / (15 * split.rows(16))).item()
    assert losses(whole.run, "validation_loss")[20] == pytest.approx(wanted, abs=1e-5)


def fit_interrupted(config: FitConfig, stop_after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Train until SIGINT comes behind so many steps."""
    real = SaveCheckpoints.on_train_batch_end

    def interrupt(callback: SaveCheckpoints, trainer: object, *rest: object) -> None:
        real(callback, trainer, *rest)
        if trainer.global_step == stop_after:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(SaveCheckpoints, "on_train_batch_end", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fit(config)
    monkeypatch.setattr(SaveCheckpoints, "on_train_batch_end", real)


@pytest.mark.parametrize("stop_after", [3, 8, 19])
def test_resumed_equals_uninterrupted(
    whole: FitConfig, config: FitConfig, monkeypatch: pytest.MonkeyPatch, stop_after: int
) -> None:
    fit_interrupted(config, stop_after, monkeypatch)
    assert last_of(config).resolve().name == f"step-{stop_after:08d}"
    resumed = weights(fit(dataclasses.replace(config, resume=config.run)))
    assert all(torch.equal(resumed[name], weight) for name, weight in weights(last_of(whole)).items())
    assert losses(config.run) == losses(whole.run)
    assert losses(config.run, "validation_loss") == losses(whole.run, "validation_loss")


def test_a_stop_inside_a_step_saves_the_weights_before_it(
    whole: FitConfig, config: FitConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trainer.model import LlamaModule

    stopped = config
    real = LlamaModule.loss_sum
    calls = []

    def interrupt(module: LlamaModule, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        calls.append(module.training)
        if calls.count(True) == 2 * 5 + 1:  # the first micro-batch of the sixth step
            os.kill(os.getpid(), signal.SIGTERM)
        return real(module, batch)

    monkeypatch.setattr(LlamaModule, "loss_sum", interrupt)
    from prepcore.arguments.program import Terminated

    with pytest.raises(Terminated):
        fit(stopped)
    monkeypatch.setattr(LlamaModule, "loss_sum", real)
    assert last_of(stopped).resolve().name == "step-00000005"
    resumed = weights(fit(dataclasses.replace(stopped, resume=stopped.run)))
    assert all(torch.equal(resumed[name], weight) for name, weight in weights(last_of(whole)).items())


def test_resume_takes_what_comes_and_refuses_what_contradicts(
    config: FitConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    first = dotted(config, trainer={"max_steps": 8}, schedule={"name": "constant"})
    fit(first)
    longer = dataclasses.replace(
        dotted(first, trainer={"max_steps": 12}, optimizer={"learning_rate": 1e-5}), resume=config.run
    )
    fit(longer)
    said = capsys.readouterr().err
    assert "after step 8" in said
    assert "changed optimizer.learning-rate: 0.01 → 1e-05" in said
    assert losses(config.run, "learning_rate")[12] == 1e-5
    for change in ({"seed": 1}, {"model": ModelConfig(preset="demo")}):
        with pytest.raises(UsageError, match=r"but the run in .* was begun with"):
            fit(dataclasses.replace(longer, **change))
    with pytest.raises(UsageError, match="has done 12 steps, wanted at most the 4"):
        fit(dotted(longer, trainer={"max_steps": 4}))
    with pytest.raises(UsageError, match="has no checkpoint to continue from"):
        fit(dataclasses.replace(config, resume=config.run + "-none"))


def test_what_is_not_there_or_too_short_is_refused_before_a_run_begins(config: FitConfig) -> None:
    for changed, message in (
        (
            dotted(config, model={"max_position_embeddings": 8}),
            "rows have 16 tokens, but the new model is made for 8",
        ),
        (
            dotted(config, trainer={"accelerator": "mps"}),
            r"trainer\.accelerator is mps, but torch finds none",
        ),
    ):
        if torch.backends.mps.is_available() and changed.trainer.accelerator == "mps":
            continue
        with pytest.raises(UsageError, match=message):
            fit(changed)
    assert not Path(config.run).exists()


def test_a_gradient_clip_of_zero_is_none(config: FitConfig) -> None:
    runs = []
    for clip in (0.0, None):
        changed = dotted(config, trainer={"gradient_clip_val": clip, "max_steps": 3})
        runs.append(dataclasses.replace(changed, run=f"{config.run}-{clip}"))
        fit(runs[-1])
    assert losses(runs[0].run) == losses(runs[1].run)
    assert losses(runs[0].run)[3] != losses(runs[0].run)[1]


def test_lines_lost_with_a_kill_are_cut_from_the_log(config: FitConfig) -> None:
    fit(dotted(config, trainer={"max_steps": 9}, checkpoint={"interval": 4}))
    run = Path(config.run)
    import shutil

    shutil.rmtree(run / "checkpoints" / "step-00000009")
    fit(
        dataclasses.replace(
            dotted(config, trainer={"max_steps": 9}, checkpoint={"interval": 4}), resume=config.run
        )
    )
    assert [int(line["step"]) for line in metrics.read(run / "metrics.csv")] == [0, *range(1, 9), 8, 9, 9]


def test_a_loss_that_is_no_number_stops_the_run(config: FitConfig) -> None:
    with pytest.raises(TrainingError, match="wanted numbers"):
        fit(dotted(config, optimizer={"learning_rate": 1e30}, schedule={"warmup": "0"}))


def test_only_the_newest_checkpoints_stay(config: FitConfig) -> None:
    checkpoint = fit(dotted(config, checkpoint={"interval": 3, "keep": 2}))
    names = sorted(path.name for path in checkpoint.parent.iterdir())
    assert names == ["best", "last", "step-00000018", "step-00000020"]


def test_a_folder_without_validation_trains(tmp_path: Path, config: FitConfig) -> None:
    tokens = write_token_folder(tmp_path / "plain", [random_documents(20)])
    checkpoint = fit(dotted(config, data={"path": str(tokens)}, trainer={"max_steps": 2}))
    assert (checkpoint / "model.safetensors").is_file()
    assert losses(config.run, "validation_loss") == {}


def test_continue_from_a_checkpoint_with_more_layers(
    config: FitConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = fit(dotted(config, trainer={"max_steps": 4}))
    init = InitConfig(strategy="upscale", source=str(checkpoint), layers=4)
    deeper = dataclasses.replace(
        dotted(config, trainer={"max_steps": 2}), model=ModelConfig(init=init), run=str(tmp_path / "deep")
    )
    fit(deeper)
    said = capsys.readouterr().err
    assert "source layers [0, 1, 0, 1]" in said
    assert "before the surgery" in said
    other = write_token_folder(tmp_path / "other", [random_documents(20, vocabulary=200)], vocabulary=200)
    with pytest.raises(UsageError, match="packed with 200 token ids"):
        fit(dotted(dataclasses.replace(deeper, run=str(tmp_path / "x")), data={"path": str(other)}))


def test_prompts_are_continued_at_each_validation(config: FitConfig, tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("abc\n\nxyz\n")
    fit(dataclasses.replace(dotted(config, trainer={"max_steps": 3}), prompts=str(prompts)))
    lines = metrics.read(Path(config.run) / "samples.csv")
    assert [(line["step"], line["prompt"]) for line in lines] == [
        ("0", "abc"),
        ("0", "xyz"),
        ("3", "abc"),
        ("3", "xyz"),
    ]
    assert all(line["continuation"] for line in lines)
