"""The locks hold what `pyproject.toml` asks for, with hashes, and say nothing of where it was found."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=! ;]", line, maxsplit=1)[0].lower().replace("_", "-") for line in requirements}


@pytest.mark.parametrize(("lock", "extras"), [("data", []), ("dev", ["train", "dev"])])
def test_a_lock_holds_what_is_asked_for(lock: str, extras: list[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = names(project["dependencies"])
    for extra in extras:
        wanted |= names(project["optional-dependencies"][extra])
    text = (ROOT / f"requirements/{lock}.lock").read_text(encoding="utf-8")
    pinned = [line for line in text.splitlines() if re.match(r"[a-z0-9]", line)]
    assert wanted <= names(pinned)
    assert all(re.match(r"\S+==\S+ ", line) for line in pinned)
    assert "://" not in text
    assert text.count("--hash=sha256:") >= len(pinned)


def test_the_half_that_cleans_and_packs_brings_no_torch() -> None:
    text = (ROOT / "requirements/data.lock").read_text(encoding="utf-8")
    assert "torch" not in text
    assert "maturin==" in text
