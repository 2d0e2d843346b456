"""Processes that lm-eval forks end when it ends them, whatever this program does on SIGTERM."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time

import pytest

from prepcore.arguments.program import Terminated
from trainer.evaluate.harness import _end_children_by_signal


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_dies_of_sigterm() -> None:
    def terminated(*_: object) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, terminated)
    try:
        _end_children_by_signal()
        for pause in (0, 0, 0, 0.001, 0.01, 0.1):  # at any moment of its beginning
            child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
            child.start()
            time.sleep(pause)
            child.terminate()
            child.join(20)
            assert child.exitcode == -signal.SIGTERM
        assert signal.getsignal(signal.SIGTERM) is terminated
    finally:
        signal.signal(signal.SIGTERM, before)
