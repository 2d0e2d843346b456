"""Redaction from Python, and what it finds in labelled sentences."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from prepcore import ConfigurationError, _core

ROOT = Path(__file__).resolve().parents[2]
TEXT = "Write to kim@example.com or call 02-312-3456; card 4111 1111 1111 1111."

# What must be reached on the labelled sentences, somewhat below what is: recall and precision.
FLOORS = {
    "email": (0.98, 0.98),
    "ip": (0.92, 0.92),
    "telephone": (0.93, 0.95),
    "card": (0.90, 0.98),
    "iban": (0.95, 0.95),
}


def test_texts_are_rewritten_and_counted() -> None:
    texts, counts = _core.rewrite('{"redact": {}}', [TEXT, "한국어", "", TEXT])
    wanted = "Write to <EMAIL> or call <TELEPHONE>; card <CARD>."
    assert texts == [wanted, "한국어", "", wanted]
    kinds = {"email": 2, "ip": 0, "telephone": 2, "card": 2, "iban": 0, "secret": 0}
    assert counts == {f"redact.{kind}": count for kind, count in kinds.items()}


def test_a_kind_can_be_turned_off() -> None:
    texts, counts = _core.rewrite('{"redact": {"email": false, "telephone": false}}', [TEXT])
    assert texts == ["Write to kim@example.com or call 02-312-3456; card <CARD>."]
    assert counts["redact.email"] == counts["redact.telephone"] == 0


def test_without_rules_nothing_changes() -> None:
    assert _core.rewrite("{}", [TEXT]) == ([TEXT], {})


def test_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="passport"):
        _core.rewrite('{"redact": {"passport": true}}', [])


def test_labelled_sentences(shared: Path, tmp_path: Path) -> None:
    labelled = shared / "data/pii/synth_dataset_v2.json"
    if not labelled.is_file():
        pytest.skip(f"{labelled} is absent; set PREPCORE_SHARED to the folder that has it")
    out = tmp_path / "scores.json"
    command = [sys.executable, str(ROOT / "benchmarks/redact.py"), "score", str(labelled), "--json", str(out)]
    print(subprocess.run(command, check=True, capture_output=True, text=True, timeout=600).stdout)
    scores = json.loads(out.read_text())["prepcore"]
    assert scores.keys() == FLOORS.keys()
    for kind, (recall, precision) in FLOORS.items():
        assert scores[kind]["labels"] > 0
        assert scores[kind]["recall"] >= recall, (kind, scores[kind])
        assert scores[kind]["precision"] >= precision, (kind, scores[kind])
