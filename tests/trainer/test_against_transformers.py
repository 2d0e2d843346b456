"""The same training by the `Trainer` of transformers: accumulation, clipping, cosine, decay groups."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset
from transformers import LlamaForCausalLM, Trainer, TrainingArguments

from tests.trainer.folders import random_documents, write_token_folder
from tests.trainer.models import dotted
from tests.trainer.test_fit import last_of, losses, twenty_steps, weights
from trainer.callbacks import metrics, plot
from trainer.config import FitConfig
from trainer.fit import fit
from trainer.initialize.random import random_configuration, random_model
from trainer.loss import IGNORED
from trainer.order import StepOrder
from trainer.resolve import resolve
from trainer.tokens import TokenFolder

STEPS = 50
LENGTH = 16


class RowsInOrder(Dataset[dict[str, Tensor]]):
    """The rows in the order of a run of ours; positions restart, padding has no target."""

    def __init__(self, config: FitConfig) -> None:
        self.split = TokenFolder.open(config.data.path).train
        numbers = resolve(config, TokenFolder.open(config.data.path))
        order = StepOrder(self.split.rows(LENGTH), numbers.rows_per_step, config.seed)
        self.rows = torch.cat([torch.from_numpy(order.rows_of_step(step)) for step in range(STEPS)])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> dict[str, Tensor]:
        row = self.rows[place : place + 1].numpy()
        ids = torch.from_numpy(self.split.read(row, LENGTH))[0]
        positions = torch.from_numpy(self.split.positions(row, LENGTH))[0]
        filled = self.split.mask(row, LENGTH)
        labels = ids if filled is None else ids.where(torch.from_numpy(filled)[0], IGNORED)
        return {"input_ids": ids, "position_ids": positions, "labels": labels}


class Watched(Trainer):
    """Keeps the losses that it would round for its log; its cosine ends at the last step, as ours does."""

    parts: list[Tensor]

    def training_step(self, *arguments: Any, **named: Any) -> Tensor:
        loss: Tensor = super().training_step(*arguments, **named)
        self.parts.append(loss)
        return loss

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        return super().create_scheduler(num_training_steps - 1, optimizer)


def train_with_transformers(
    config: FitConfig, folder: Path
) -> tuple[LlamaForCausalLM, list[float], list[float]]:
    """Return the model, and loss and norm of the gradient of each step."""
    described = random_configuration(config.model, vocabulary_size=96, sequence_length=LENGTH, bos=1, eos=2)
    described.use_cache = False  # else positions that restart do not hold documents apart
    model = random_model(described, config.seed)
    arguments = TrainingArguments(
        output_dir=str(folder),
        use_cpu=True,
        max_steps=STEPS,
        per_device_train_batch_size=config.batch.micro,
        gradient_accumulation_steps=2,
        train_sampling_strategy="sequential",
        learning_rate=config.optimizer.learning_rate,
        adam_beta1=0.9,
        adam_beta2=0.95,
        adam_epsilon=1e-8,
        weight_decay=config.optimizer.weight_decay,
        max_grad_norm=1.0,
        lr_scheduler_type="cosine_with_min_lr",
        lr_scheduler_kwargs={"min_lr_rate": 0.1},  # what is left of the peak where nobody says otherwise
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    trainer = Watched(model=model, args=arguments, train_dataset=RowsInOrder(config))
    trainer.parts = []
    trainer.train()
    steps = [float(sum(trainer.parts[index : index + 2])) for index in range(0, 2 * STEPS, 2)]
    norms = [line["grad_norm"] for line in trainer.state.log_history if "grad_norm" in line]
    return model, steps, norms


@pytest.mark.parametrize("packing", ["concatenate", "best-fit"])
def test_fifty_steps_equal_those_of_the_trainer_of_transformers(
    packing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(plot, "draw", lambda metrics, folder: None)
    tokens = write_token_folder(
        tmp_path / "tokens", [random_documents(60), random_documents(40, seed=1)], packing=packing
    )
    config = dotted(
        twenty_steps(tokens, tmp_path / "run"),
        trainer={"max_steps": STEPS, "val_check_interval": STEPS},
        schedule={"warmup": "0"},
        optimizer={"decay_embeddings": True, "weight_decay": 0.3},
    )
    fit(config)
    model, wanted, norms = train_with_transformers(config, tmp_path / "theirs")
    capsys.readouterr()
    found = losses(config.run)
    lines = metrics.read(Path(config.run) / "metrics.csv")
    clipped = sum(norm > 1 for norm in norms)
    off = max(abs(found[step + 1] - loss) for step, loss in enumerate(wanted))
    ours = [float(line["gradient_norm"]) for line in lines if line["gradient_norm"]]
    weights_off = max(
        (weight - dict(model.named_parameters())[name]).abs().max().item()
        for name, weight in weights(last_of(config)).items()
    )
    print(f"{packing}: loss {off:.1e}, weights {weights_off:.1e}; {clipped} steps clipped")
    assert len(found) == len(wanted) == STEPS
    assert off < 1e-4
    assert ours == pytest.approx(norms, rel=1e-3)
    assert weights_off < 1e-3
    # It learns, so that equal curves say something, and clips now and then.
    assert wanted[-1] < 0.8 * wanted[0]
    assert 0 < clipped < STEPS
