"""`prepcore rules`, and the page of the guide that it makes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from prepcore import Rules
from tests.conftest import Run

GUIDE = Path(__file__).parents[2] / "docs" / "rules.md"


def test_the_guide_is_what_the_rules_say(prepcore_command: Run) -> None:
    printed = prepcore_command("rules", "--markdown").stdout
    assert GUIDE.read_text() == printed, "prepcore rules --markdown > docs/rules.md"


def test_every_rule_is_told_of_in_its_order(prepcore_command: Run) -> None:
    names = [field.name for field in dataclasses.fields(Rules) if field.name != "order"]
    printed = prepcore_command("rules").stdout
    told = [line.partition(":")[0] for line in printed.splitlines() if line and not line.startswith(" ")]
    assert told == [*names, "language", "classifier"]
    assert max(map(len, printed.splitlines())) <= 110


def test_rules_are_asked_for_by_name(prepcore_command: Run) -> None:
    printed = prepcore_command("rules", "short-lines", "words").stdout
    assert printed.startswith("short_lines: ")
    assert "\nwords: " in printed
    assert "repetition" not in printed
    assert "'short' is no rule" in prepcore_command("rules", "short", check=2).stderr
