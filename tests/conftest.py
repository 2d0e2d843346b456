"""Fixtures shared by all tests."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

# Where Python is told to write no bytecode, each process that a test starts would compile PyTorch again, ten
# seconds of work: here they share what is compiled, those of all workers, and it is gone afterwards.
if sys.dont_write_bytecode:
    sys.dont_write_bytecode = False
    sys.pycache_prefix = tempfile.mkdtemp(prefix="bytecode-")
    atexit.register(shutil.rmtree, sys.pycache_prefix, ignore_errors=True)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix

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
