from __future__ import annotations

import inspect

import pytest
import pytorch_lightning
import yaml

from prepcore.arguments import Parser, UsageError, options_of
from trainer.config import (
    ARCHITECTURE,
    FitConfig,
    InitConfig,
    ModelConfig,
    TrainerConfig,
    presets,
    with_preset,
)

OURS = {"max_tokens", "skip_spikes", "peak_tflops", "reshard_after_forward"}

LAST_FOUR = ["--model.init.layers", "4", "--model.init.keep", "last"]
TWO_OF_THREE = ["--model.init.layers", "3", "--model.init.keep", "0,1"]


def test_trainer_options_bear_lightnings_names() -> None:
    known = set(inspect.signature(pytorch_lightning.Trainer).parameters)
    assert set(TrainerConfig.__dataclass_fields__) - known == OURS


def test_every_option_is_explained() -> None:
    assert [option.name for option in options_of(FitConfig) if not option.help] == []


@pytest.mark.parametrize("name", presets())
def test_every_key_of_a_preset_is_known_and_has_a_comment(name: str) -> None:
    values = Parser(FitConfig, "fit", presets()).values(["--config", name, "--data.path", "x"])
    assert values["run"] == f"runs/{name}"
    for line in presets()[name].read_text().splitlines():
        key, _, value = line.partition(":")
        if value.strip():
            assert "#" in line or key.startswith("#"), line
    assert yaml.safe_load(presets()[name].read_text())


def test_a_preset_fills_only_what_is_left_open() -> None:
    model = with_preset(ModelConfig(preset="tinysolar-248m", num_hidden_layers=3))
    assert (model.num_hidden_layers, model.hidden_size, model.vocab_size) == (3, 1024, 32_000)
    with pytest.raises(UsageError, match="'solar', wanted one of demo"):
        with_preset(ModelConfig(preset="solar"))
    assert set(ARCHITECTURE) < set(ModelConfig.__dataclass_fields__)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model.init.source", "x"], "source has no effect when model.init.strategy is random"),
        (["--model.init.strategy", "continue"], "wanted model.init.source"),
        (
            ["--model.init.strategy", "continue", "--model.init.source", "x", "--model.init.layers", "2"],
            "no effect",
        ),
        (["--model.init.strategy", "upscale", "--model.init.source", "x"], "wanted model.init.layers N"),
        (
            [*["--model.init.strategy", "upscale", "--model.init.source", "x"], *LAST_FOUR],
            "which is for downscale",
        ),
        (
            [*["--model.init.strategy", "downscale", "--model.init.source", "x"], *TWO_OF_THREE],
            "keep lists 2 layers",
        ),
        (["--model.init.keep", "0;1"], "list of layers such as 0,1,4"),
        (["--optimizer.betas", "0.9,1.0"], "wanted two numbers from 0 to below 1"),
        (["--optimizer.learning-rate", "-1"], "of at least 0"),
        (["--optimizer.muon-momentum", "0.9"], "no effect when optimizer.name is adamw"),
        (["--optimizer.name", "muon", "--optimizer.muon-momentum", "1"], "wanted less than 1"),
        (["--optimizer.name", "muon", "--optimizer.learning-rate", "0"], "wanted more than 0"),
        (["--schedule.decay", "10%"], "no effect when schedule.name is cosine"),
        (["--schedule.name", "constant", "--schedule.final-share", "0.5"], "no effect"),
        (["--batch.ramp-from", "8"], "go together"),
        (
            ["--batch.ramp-from", "8", "--batch.ramp-tokens", "9", "--batch.tokens", "8"],
            "less than batch.tokens",
        ),
        (["--data.without-replay", "true"], "wanted continue"),
        (["--checkpoint.keep-every", "300"], "multiple of the 250 steps"),
        (["--trainer.precision", "16"], "one of auto, 32-true, bf16-mixed"),
    ],
)
def test_contradictions_are_refused(words: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Parser(FitConfig, "fit").parse(["--data.path", "x", *words])


def test_layers_to_keep_in_every_spelling() -> None:
    for spelling in ("0,1,4", "[0, 1, 4]"):
        words = [
            "--model.init.strategy",
            "downscale",
            "--model.init.source",
            "x",
            "--model.init.keep",
            spelling,
        ]
        config = Parser(FitConfig, "fit").parse(["--data.path", "x", *words])
        assert config.model.init == InitConfig(strategy="downscale", source="x", keep=(0, 1, 4))
