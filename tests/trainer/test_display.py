"""What a run says while it goes on, where no terminal looks."""

from __future__ import annotations

import pytest

from trainer.display import Display

STEP = {"step": 20, "loss": 3.25, "learning_rate": 1e-3, "tokens_per_second": 14_210.4}


@pytest.mark.parametrize(
    ("measured", "said"),
    [
        ({"tflops": 421.5, "mfu": 0.4262}, "14,210 tokens/s  MFU 42.6%  0:01:05 left"),
        ({"tflops": 0.0951, "mfu": None}, "14,210 tokens/s  0.0951 TFLOP/s  0:01:05 left"),
        ({"tflops": None, "mfu": None}, "14,210 tokens/s  0:01:05 left"),
    ],
)
def test_a_line_says_loss_speed_share_and_time_left(
    measured: dict[str, float | None], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with Display(100) as display:
        display.step({**STEP, **measured}, 65.2)
    captured = capsys.readouterr()
    assert captured.err == f"step 20/100  loss 3.2500  learning rate 1.00e-03  {said}\n"
    assert captured.out == ""
