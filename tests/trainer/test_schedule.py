from __future__ import annotations

import pytest

from trainer.schedule import Schedule, warmup_steps


def test_cosine_rises_to_the_peak_and_ends_at_its_share() -> None:
    rate = Schedule("cosine", peak=1.0, warmup_steps=10, total_steps=110)
    assert rate(0) == pytest.approx(0.1)
    assert rate(9) == rate(10) == 1.0
    assert rate(109) == pytest.approx(0.1)
    middle = rate(10) + rate(109)
    assert rate(59) + rate(60) == pytest.approx(middle)
    assert all(rate(step) >= rate(step + 1) for step in range(10, 109))


def test_linear_and_constant() -> None:
    linear = Schedule("linear", peak=2.0, warmup_steps=0, total_steps=11, final_share=0.0)
    assert [linear(step) for step in (0, 5, 10)] == pytest.approx([2.0, 1.0, 0.0])
    constant = Schedule("constant", peak=2.0, warmup_steps=2, total_steps=11)
    assert [constant(step) for step in (0, 1, 10)] == [1.0, 2.0, 2.0]


def test_a_run_of_one_step_has_a_rate() -> None:
    assert Schedule("cosine", peak=1.0, warmup_steps=0, total_steps=1)(0) == 1.0


def test_warmup_in_steps_or_as_a_share() -> None:
    assert [warmup_steps(text, 250) for text in ("100", "1%", "0", 7)] == [100, 3, 0, 7]
    for text in ("soon", "251", "-1", "200%"):
        with pytest.raises(ValueError, match=r"schedule\.warmup"):
            warmup_steps(text, 250)
