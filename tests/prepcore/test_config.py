"""The dataclasses of `config.py` are the engine's own configuration."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from prepcore import Rules, config, frames, packing, runs
from prepcore.arguments import MISSING, options_of

core = pytest.importorskip("prepcore._core", reason="the Rust extension is not built")

VERBS = {"clean": config.Clean, "pack": config.Pack, "tokenizer": config.Tokenizer}


def required(configuration: type) -> set[str]:
    return {option.key for option in options_of(configuration) if option.default is MISSING}


@pytest.mark.parametrize("verb", VERBS)
def test_names_order_and_defaults_are_the_engines(verb: str) -> None:
    engine = json.loads(core.default_configuration(verb))
    needed = required(VERBS[verb])
    ours: dict[str, Any] = json.loads(VERBS[verb](**dict.fromkeys(needed)).engine_json())
    assert set(ours) == set(engine)
    assert {key: value for key, value in ours.items() if key not in needed} == {
        key: value for key, value in engine.items() if key not in needed
    }


@pytest.mark.parametrize(
    ("command", "settings"),
    [
        (config.CleanCommand, config.Clean),
        (config.PackCommand, config.Pack),
        (config.TokenizerCommand, config.Tokenizer),
    ],
)
def test_a_command_has_its_settings_and_what_the_screen_needs(command: type, settings: type) -> None:
    names = {field.name for field in dataclasses.fields(command)}
    screen = {"inputs", "out", "dry_run", "quiet", "json"} | (
        {"report"} if settings is config.Clean else set()
    )
    assert names == {field.name for field in dataclasses.fields(settings)} | screen


@pytest.mark.parametrize(
    ("typed", "settings", "own"),
    [
        (frames.CleanSettings, config.Clean, set()),
        (packing.PackSettings, config.Pack, {"tokenizer"}),
        (runs.TokenizerSettings, config.Tokenizer, {"vocabulary_size"}),
    ],
)
def test_the_functions_take_the_same_settings(typed: type, settings: type, own: set[str]) -> None:
    assert set(typed.__annotations__) | own == {field.name for field in dataclasses.fields(settings)}


def test_every_option_has_one_line_of_help() -> None:
    for command in (config.CleanCommand, config.PackCommand, config.TokenizerCommand):
        for option in options_of(command):
            assert option.help, option.name
            assert "\n" not in option.help


def test_the_engine_is_sent_its_own_settings_alone() -> None:
    rules = Rules(short_lines="off")
    command = config.CleanCommand(inputs=["a"], out="b", json=True, rules=rules)
    sent = json.loads(command.engine_json())
    assert sent["rules"]["short_lines"] == "off"
    assert sent["rules"]["repetition"] == {"max_repeated_paragraphs": 0.3, "max_repeated_chars": 0.2}
    assert "inputs" not in sent
    assert "json" not in sent
