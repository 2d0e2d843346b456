from __future__ import annotations

import os
from pathlib import Path

import pytest

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
