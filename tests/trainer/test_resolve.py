from __future__ import annotations

from pathlib import Path

import pytest

from prepcore.arguments import UsageError
from tests.trainer.folders import write_token_folder
from trainer.config import BatchConfig, DataConfig, FitConfig, TrainerConfig
from trainer.resolve import resolve
from trainer.tokens import TokenFolder


def numbers(
    path: Path, *, length: int | None = None, tokens: int | None = None, **limits: int
) -> tuple[int, ...]:
    config = FitConfig(
        data=DataConfig(path=str(path), sequence_length=length),
        batch=BatchConfig(tokens=tokens, micro=2),
        trainer=TrainerConfig(**limits),
    )
    found = resolve(config, TokenFolder.open(path))
    return found.length, found.rows_per_step, found.total_steps


def test_lengths_and_limits(tmp_path: Path) -> None:
    path = write_token_folder(tmp_path / "t", [[[1] * 100]], length=4)  # 25 rows
    assert numbers(path) == (4, 2, 12)  # one pass
    assert numbers(path, max_epochs=3) == (4, 2, 37)
    assert numbers(path, length=10) == (10, 2, 5)
    assert numbers(path, tokens=16) == (4, 4, 6)
    assert numbers(path, max_tokens=100) == (4, 2, 13)
    assert numbers(path, max_tokens=100, max_steps=5) == (4, 2, 5)


def test_what_does_not_fit_names_what_does(tmp_path: Path) -> None:
    path = write_token_folder(tmp_path / "t", [[[1] * 100]], length=4, validation=[[1] * 12])
    with pytest.raises(UsageError, match=r"the nearest is --batch\.tokens 24"):
        numbers(path, tokens=25)
    with pytest.raises(UsageError, match="not enough for one row of 101"):
        numbers(path, length=101)
    with pytest.raises(UsageError, match=r"validation.* has 12 tokens"):
        numbers(path, length=50)
