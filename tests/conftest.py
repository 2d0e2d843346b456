"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real data beside the project; tests that need it are skipped, saying so, where it is absent."""
    folder = Path(os.environ.get("PREPCORE_SHARED", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"no real data at {folder}; set PREPCORE_SHARED to the folder that holds data/")
    return folder


@pytest.fixture(scope="session")
def prepcore_command() -> Run:
    """Run the command line in a process of its own."""

    def run(*arguments: object, check: int | None = 0) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "prepcore", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600)
        assert check is None or done.returncode == check, f"{command}\n{done.stdout}\n{done.stderr}"
        return done

    return run
