"""A real checkpoint gets the figures that lm-eval's own command gives."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.trainer import sets
from tests.trainer.test_cli import environment, trainer
from tests.trainer.test_real_checkpoints import smollm2  # noqa: F401 - the fixture


@pytest.mark.soak
def test_smollm2_on_truthfulqa(smollm2: Path, shared: Path, tmp_path: Path) -> None:  # noqa: F811
    data = shared / "data" / "eval-hf"
    words = ["--tasks", "truthfulqa_mc2", "--limit", "20"]
    done = trainer("evaluate", smollm2, *words, "--data", data, "--device", "cpu")
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    result = json.loads((smollm2 / "evaluation.json").read_text())["results"]["truthfulqa_mc2@0"]

    own = sets.write_own_tasks(tmp_path / "own", data, ["truthfulqa_mc2"])
    command = [sys.executable, "-m", "lm_eval", "run", "--model", "hf", "--include_path", str(own), *words]
    command += ["--model_args", f"pretrained={smollm2},dtype=float32", "--device", "cpu", "--batch_size", "8"]
    command += ["--output_path", str(tmp_path / "out.json")]
    around = {**environment(), "HF_DATASETS_CACHE": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"}
    ran = subprocess.run(command, env=around, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    written = next(path for path in tmp_path.rglob("out*.json"))
    expected = json.loads(written.read_text())["results"]["truthfulqa_mc2"]
    print("lm-eval:", expected)
    score = result["scores"]["acc"]
    assert score["value"] == pytest.approx(expected["acc,none"], abs=1e-6)
    assert score["stderr"] == pytest.approx(expected["acc_stderr,none"], abs=1e-6)
    assert result["documents"] == 20
