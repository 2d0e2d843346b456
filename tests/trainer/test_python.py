"""The trainer without its command line: the names of the package, each used as its documentation says."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as lightning
import torch
from transformers import AutoModelForCausalLM

import trainer
from prepcore.arguments import UsageError
from tests.trainer.folders import random_documents, write_token_folder
from tests.trainer.models import SIZES, tiny_llama
from trainer import (
    BatchConfig,
    DataConfig,
    FitConfig,
    LlamaModule,
    ModelConfig,
    OptimizerConfig,
    PackedTokens,
    Schedule,
    TrainerConfig,
    fit,
)
from trainer.callbacks import plot


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_token_folder(
        tmp_path_factory.mktemp("tokens") / "t",
        [random_documents(60)],
        validation=random_documents(12, seed=2),
    )


def own_trainer(folder: Path, **settings: Any) -> lightning.Trainer:
    return lightning.Trainer(
        **{
            "max_epochs": 1,
            "accelerator": "cpu",
            "logger": False,
            "enable_checkpointing": False,
            "enable_progress_bar": False,
            "default_root_dir": folder,
            **settings,
        }
    )


def test_importing_the_package_imports_nothing_heavy() -> None:
    program = (
        "import sys, trainer; from trainer import FitConfig, Schedule\n"
        "assert not {'torch', 'pytorch_lightning', 'transformers'} & set(sys.modules)\n"
        "assert {'fit', 'initialize', 'LlamaModule'} <= set(dir(trainer))\n"
        "import trainer.initialize.facts\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("before", ["", "import trainer.fit, trainer.initialize.random"])
def test_the_names_are_the_functions_whatever_was_imported_before(before: str) -> None:
    program = (
        f"{before}\nimport trainer\nfrom trainer import fit\n"
        "assert callable(fit) and callable(trainer.fit) and trainer.fit is fit\n"
        "from trainer.fit import build_trainer\nimport trainer.fit\n"
        "assert trainer.fit is fit and sys.modules['trainer.fit'].fit is fit\n"
        "from trainer import initialize\n"
        "assert trainer.initialize is initialize and initialize.__name__ == 'initialize'"
    )
    subprocess.run([sys.executable, "-c", f"import sys\n{program}"], check=True)


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'LamaModule'"):
        trainer.LamaModule  # noqa: B018


def test_fit_returns_the_last_checkpoint(
    tokens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plot, "draw", lambda metrics, folder: None)
    last = fit(
        FitConfig(
            data=DataConfig(path=str(tokens)),
            model=ModelConfig(**SIZES),
            batch=BatchConfig(micro=4),
            trainer=TrainerConfig(max_steps=5, accelerator="cpu"),
            run=str(tmp_path / "run"),
        )
    )
    assert last == tmp_path / "run" / "checkpoints" / "last"
    assert AutoModelForCausalLM.from_pretrained(last).config.hidden_size == 32


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trainer": TrainerConfig(max_steps=0)}, "trainer.max-steps: 0 is not a whole number of at least 1"),
        ({"optimizer": OptimizerConfig(learning_rate=-1.0)}, "optimizer.learning-rate: -1.0 is not a number"),
        (
            {"trainer": TrainerConfig(precision="16")},  # type: ignore[arg-type]
            "trainer.precision: '?16'? is not one of auto, 32-true, bf16-mixed",
        ),
        ({"logger": ("tensorbord",)}, "logger: 'tensorbord' is not a logger"),
    ],
)
def test_what_the_command_line_refuses_is_refused(
    changes: dict[str, Any], message: str, tokens: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    whole = {"data": DataConfig(path=str(tokens)), "model": ModelConfig(**SIZES), "run": str(run), **changes}
    with pytest.raises(UsageError, match=message):
        fit(FitConfig(**whole))
    assert not run.exists()


def test_fit_runs_in_a_thread(tokens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plot, "draw", lambda metrics, folder: None)
    config = FitConfig(
        data=DataConfig(path=str(tokens)),
        model=ModelConfig(**SIZES),
        trainer=TrainerConfig(max_steps=2, accelerator="cpu"),
        run=str(tmp_path / "run"),
    )
    done: list[Path] = []
    thread = threading.Thread(target=lambda: done.append(fit(config)))
    thread.start()
    thread.join()
    assert done == [tmp_path / "run" / "checkpoints" / "last"]


def test_initialize_makes_a_model_of_another(tmp_path: Path) -> None:
    tiny_llama().save_pretrained(tmp_path / "base")
    made = trainer.initialize("upscale", tmp_path / "base", layers=4)
    model = made[0] if isinstance(made, tuple) else made.model
    assert model.config.num_hidden_layers == 4


def test_module_and_data_in_a_training_of_ones_own(tokens: Path, tmp_path: Path) -> None:
    """As `docs/training.md` shows it: one's own trainer, loggers and checkpoints."""
    data = PackedTokens(tokens, micro=4, rows_per_step=8, total_steps=30)
    module = LlamaModule(
        tiny_llama(),
        optimizer=OptimizerConfig(learning_rate=1e-2),
        learning_rate=Schedule("cosine", peak=1e-2, warmup_steps=3, total_steps=30),
    )
    best = lightning.callbacks.ModelCheckpoint(dirpath=tmp_path, monitor="validation_loss")
    mine = own_trainer(
        tmp_path,
        enable_checkpointing=True,
        callbacks=[best],
        logger=lightning.loggers.CSVLogger(tmp_path, name="log", version=""),
        val_check_interval=10,
        check_val_every_n_epoch=None,
        log_every_n_steps=1,
    )
    mine.validate(module, data, verbose=False)
    before = module.validation_loss
    mine.fit(module, data)
    assert mine.global_step == 30
    assert before is not None
    assert module.validation_loss < before - 0.5
    with (tmp_path / "log" / "metrics.csv").open() as file:
        lines = list(csv.DictReader(file))
    losses = [float(line["loss"]) for line in lines if line["loss"]]
    assert len(losses) == 30
    assert losses[-1] < losses[0]
    assert best.best_model_score == pytest.approx(module.validation_loss)
    # What Lightning wrote has the weights, and they come back.
    other = LlamaModule(tiny_llama(seed=1))
    own_trainer(tmp_path).validate(other, data, ckpt_path=best.best_model_path, verbose=False)
    assert other.validation_loss == pytest.approx(module.validation_loss)


def test_the_defaults_are_one_pass_at_one_rate(tokens: Path, tmp_path: Path) -> None:
    data = PackedTokens(str(tokens))
    assert (data.length, data.rows_per_step, data.seed, data.isolate) == (16, 8, 0, True)
    assert data.total_steps == data.folder.train.rows(16) // 8
    module = LlamaModule(tiny_llama())
    assert module.learning_rate(0) == module.learning_rate(9999) == OptimizerConfig().learning_rate
    mine = own_trainer(tmp_path)
    mine.fit(module, data)
    assert mine.global_step == data.total_steps
    batch = next(iter(data.train_dataloader()))
    assert batch["input_ids"].shape == batch["position_ids"].shape == (1, 8, 16)
    assert next(iter(data.val_dataloader()[0]))["input_ids"].shape == (8, 16)


def test_a_batch_of_ones_own_data(tmp_path: Path) -> None:
    """A batch is a dict of ``(micro-batches, rows, length)``; nothing else is asked of a loader."""
    ids = torch.randint(0, 96, (4, 2, 3, 16))  # four steps of two micro-batches of three rows
    labels = ids.clone()
    labels[..., :8] = -100
    steps = [{"input_ids": step, "labels": wanted} for step, wanted in zip(ids, labels, strict=True)]
    module = LlamaModule(tiny_llama(), optimizer=OptimizerConfig(learning_rate=0.0))
    mine = own_trainer(tmp_path)
    mine.fit(module, torch.utils.data.DataLoader(steps, batch_size=None))
    assert mine.global_step == 4
    model = module.model.eval()
    logits = model(input_ids=ids[-1].flatten(0, 1), use_cache=False).logits[:, :-1]
    wanted = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), labels[-1].flatten(0, 1)[:, 1:].flatten()
    )
    assert module.step_loss.item() == pytest.approx(wanted.item(), abs=1e-5)


def test_a_mixture_is_validated_by_its_shares(tokens: Path, tmp_path: Path) -> None:
    import prepcore

    other = write_token_folder(
        tmp_path / "other", [random_documents(60, seed=5)], validation=random_documents(12, seed=6)
    )
    recipe = tmp_path / "recipe.json"
    prepcore.mix({"a": (str(tokens), "3"), "b": (str(other), "1")}, tokens=16 * 40, out=str(recipe))
    data = PackedTokens(recipe, micro=2)
    assert data.validation_shares == (0.75, 0.25)
    assert data.total_steps == 20
    module = LlamaModule(tiny_llama(), validation_shares=data.validation_shares)
    own_trainer(tmp_path).validate(module, data, verbose=False)
    first, second = module.validation_losses
    assert module.validation_loss == pytest.approx(0.75 * first + 0.25 * second)


def test_the_guide_runs_as_it_is_printed(
    tokens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", guide, flags=re.DOTALL)
    assert len(blocks) >= 2
    (tmp_path / "tokens").symlink_to(tokens)
    tiny_llama().save_pretrained(tmp_path / "base")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plot, "draw", lambda metrics, folder: None)
    for block in blocks:
        assert len([line for line in block.splitlines() if line]) <= 18
        # A smaller training, and Lightning's own log where it can be deleted.
        exec(block.replace("max_steps=1500", "max_steps=2"), {})
    assert (tmp_path / "runs" / "first" / "checkpoints" / "last" / "config.json").is_file()
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "trained").config.hidden_size == 32


def test_data_that_does_not_fit_is_refused(tokens: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no folder"):
        PackedTokens(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="not enough for one row of 100,000"):
        PackedTokens(tokens, length=100_000)
    with pytest.raises(ValueError, match="rows_per_step is 6, wanted a multiple of the 4 rows"):
        PackedTokens(tokens, micro=4, rows_per_step=6)
