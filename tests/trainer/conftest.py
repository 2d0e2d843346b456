from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

# Where Python is told to write no bytecode, each process that a test starts would compile PyTorch again, ten
# seconds of work: here they share what is compiled, and it is gone afterwards.
if sys.dont_write_bytecode:
    sys.dont_write_bytecode = False
    sys.pycache_prefix = tempfile.mkdtemp(prefix="bytecode-")
    atexit.register(shutil.rmtree, sys.pycache_prefix, ignore_errors=True)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix

# Sleeping threads: tests share the machine with whatever else runs on it.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch

from trainer.process import quiet_lightning, quiet_transformers

quiet_transformers()
quiet_lightning()
torch.set_num_threads(1)

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def stories() -> Path:
    """The real small model beside the project."""
    shared = Path(os.environ.get("PREPCORE_SHARED", ROOT.parent / "shared"))
    path = shared / "data" / "models" / "stories260k"
    if not path.is_dir():
        pytest.skip(f"{path} is absent; set PREPCORE_SHARED to the folder that has it")
    return path
