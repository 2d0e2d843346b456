"""Initialisation as users type it: what is refused before torch is loaded, what is printed and kept."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from prepcore.arguments import UsageError
from tests.trainer.folders import random_documents, write_byte_tokenizer, write_token_folder
from tests.trainer.models import tiny_llama
from tests.trainer.test_cli import environment, here
from trainer.callbacks import metrics
from trainer.initialize import initialize

LIGHT = (
    "import sys; from trainer.cli import main; code = main(sys.argv[1:]); "
    "print('HEAVY' if {'torch', 'transformers'} & set(sys.modules) else 'light'); sys.exit(code)"
)


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_token_folder(
        tmp_path_factory.mktemp("tokens") / "t",
        [random_documents(60)],
        validation=random_documents(8, seed=2),
    )


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "source"
    tiny_llama(num_hidden_layers=4).save_pretrained(path)
    write_byte_tokenizer(path / "scratch", 96)
    (path / "scratch" / "tokenizer.json").rename(path / "tokenizer.json")
    (path / "scratch").rmdir()
    return path


def init_words(source: Path | str, **options: Any) -> list[str]:
    words = {"source": source, **options}
    return [f"--model.init.{name.replace('_', '-')}={value}" for name, value in words.items()]


MISTAKES: list[tuple[dict[str, Any], list[str], str]] = [
    ({"strategy": "downscale", "layers": 4}, [], "downscale of a source with 4 layers wants 1 to 3"),
    ({"strategy": "upscale", "layers": 7}, [], "wants an even number from 6 to 8"),
    ({"strategy": "expand", "layers": 9}, [], "wants 5 to 8"),
    ({"strategy": "stack", "layers": 6}, [], "wants a multiple of 4 from 8"),
    ({"strategy": "downscale", "layers": 9, "keep": "block-influence"}, [], "wants 1 to 3"),
    ({"strategy": "upscale", "keep": "0,1,2,3,4"}, [], "names layer 4, the source has layers 0 to 3"),
    ({"strategy": "continue", "source": "MISSING"}, [], "there is no model, for there is no such folder"),
    ({"strategy": "continue"}, ["--model.hidden-size=64"], "model.hidden-size is 64, but that of"),
    ({"strategy": "continue"}, ["--data.sequence-length=80"], "rows have 80 tokens, but"),
    (
        {"strategy": "continue", "vocabulary": "extend", "source": "BARE"},
        [],
        "the source has no tokenizer.json",
    ),
    (
        {"strategy": "continue", "source": "SMALL"},
        [],
        "or add rows for the others with --model.init.vocabulary extend",
    ),
    ({"strategy": "continue", "train": "new-blocks"}, [], "train has no effect when"),
    ({"strategy": "continue", "sample-tokens": 9}, [], "no effect without model.init.keep block-influence"),
]


@pytest.mark.parametrize(("init", "words", "said"), MISTAKES, ids=lambda value: str(value)[:50])
def test_mistakes_are_refused_before_torch_is_loaded(
    tokens: Path, source: Path, tmp_path: Path, init: dict[str, Any], words: list[str], said: str
) -> None:
    for name, changes in {"BARE": {}, "SMALL": {"vocab_size": 90}}.items():
        described = json.loads((source / "config.json").read_text())
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps(described | changes))
    init = dict(init)
    chosen = tmp_path / init.pop("source") if "source" in init else source
    given = [
        "fit",
        "--data.path",
        str(tokens),
        "--run",
        str(tmp_path / "run"),
        *init_words(chosen, **init),
        *words,
    ]
    result = subprocess.run(
        [sys.executable, "-c", LIGHT, *given], capture_output=True, text=True, env=environment(), check=False
    )
    assert result.returncode == 2, result.stderr
    assert said in result.stderr
    assert "hint: " in result.stderr or "no effect" in result.stderr
    assert result.stdout == "light\n"
    assert not (tmp_path / "run").exists()


def test_init_refuses_before_torch_is_loaded_too(source: Path, tmp_path: Path) -> None:
    for options, said in (
        ({"strategy": "stack", "layers": 7}, "wants a multiple of 4 from 8"),
        ({"strategy": "downscale", "layers": 2, "keep": "block-influence"}, "wanted tokens, the folder"),
        ({"strategy": "expand", "layers": 5, "train": "new-blocks"}, "which trains nothing"),
    ):
        given = ["init", "--out", str(tmp_path / "out"), *init_words(source, **options)]
        result = subprocess.run(
            [sys.executable, "-c", LIGHT, *given],
            capture_output=True, text=True, env=environment(), check=False,
        )  # fmt: skip
        assert (result.returncode, result.stdout) == (2, "light\n"), result.stderr
        assert said in result.stderr


def test_init_by_influence_prints_and_keeps_what_was_made(
    tokens: Path, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = init_words(source, strategy="downscale", layers=2, keep="block-influence", sample_tokens=512)
    assert here("init", *words, "--tokens", tokens, "--out", out) == 0
    said = capsys.readouterr()
    assert "measuring the influence of 4 blocks on 512 tokens" in said.err
    record = json.loads((out / "initialization.json").read_text())
    kept = [layer["source"] for layer in record["layers"]]
    for layer, value in enumerate(record["block_influence"]["values"]):
        assert f"layer {layer:3}  {value:8.5f}  {'kept' if layer in kept else 'dropped'}" in said.out
    assert f"source layers {kept}" in said.out
    assert "nats/token before the surgery" in said.out
    assert record["loss"]["split"] == "validation"
    assert AutoModelForCausalLM.from_pretrained(out).config.num_hidden_layers == 2
    assert (out / "tokenizer.json").is_file()


def test_fit_extends_the_vocabulary_of_its_source(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Half of the documents use ids that the source has never seen.
    documents = [*random_documents(40), *random_documents(40, vocabulary=120)]
    larger = write_token_folder(tmp_path / "larger", [documents], vocabulary=120)
    words = [
        "fit",
        "--data.path",
        larger,
        *init_words(source, strategy="stack", layers=8, vocabulary="extend"),
    ]
    words += ["--trainer.max-steps=2", "--trainer.accelerator=cpu", "--run", tmp_path / "run"]
    assert here(*map(str, words)) == 0
    said = capsys.readouterr().err
    assert "vocabulary: 96 rows become 128; of 24 new tokens" in said
    assert "loss on a sample" in said
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "run" / "checkpoints" / "last")
    assert (model.config.vocab_size, model.config.num_hidden_layers) == (128, 8)
    record = json.loads((tmp_path / "run" / "initialization.json").read_text())
    assert record["vocabulary"]["new_tokens"] == 24
    assert record["parameters"]["model"] == model.num_parameters()


def test_frozen_blocks_stay_as_they_are_also_after_a_resume(
    tokens: Path, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["fit", "--data.path", tokens, "--run", tmp_path / "run", "--trainer.accelerator=cpu"]
    words += init_words(source, strategy="expand", layers=6, train="new-blocks")
    words += ["--optimizer.learning-rate=0.01", "--schedule.warmup=0", "--trainer.val-check-interval=2"]
    assert here(*map(str, words), "--trainer.max-steps=2") == 0
    assert here("fit", "--resume", tmp_path / "run", "--trainer.max-steps=4") == 0
    assert "of which" in capsys.readouterr().err
    last = AutoModelForCausalLM.from_pretrained(
        tmp_path / "run" / "checkpoints" / "last", dtype=torch.float32
    )
    began, _ = initialize("expand", source, layers=6)
    record = json.loads((tmp_path / "run" / "initialization.json").read_text())
    new = {number for number, layer in enumerate(record["layers"]) if layer["new"]}
    assert new == {2, 5}
    for name, weight in last.named_parameters():
        learned = name.startswith(tuple(f"model.layers.{layer}." for layer in new))
        assert torch.equal(weight, began.get_parameter(name)) != learned, name
    # The validation before the first step is that of the source.
    lines = metrics.read(tmp_path / "run" / "metrics.csv")
    assert float(lines[0]["validation_loss"]) == pytest.approx(record["loss"]["before"], abs=1e-5)


def test_initialize_in_a_program(source: Path) -> None:
    model, facts = initialize("upscale", source, layers=6)
    assert model.config.num_hidden_layers == 6
    assert facts.layers is not None
    assert facts.layers.sources == (0, 1, 2, 1, 2, 3)
    made = initialize(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
                      tokenizer=source, distribution="truncated")  # fmt: skip
    assert made.model.config.vocab_size == 96
    assert "truncated at two of them" in str(made.facts)
    for arguments, message in (
        ({"hiden_size": 3}, "did you mean --model.hidden-size"),
        ({"strategy": "upscaled", "source": "s"}, "is not one of random"),
        ({"strategy": "continue"}, "wanted model.init.source"),
        ({"strategy": "continue", "source": source, "vocabulary": "extend"}, "wanted tokenizer"),
        ({"preset": "demo"}, "a new model needs a vocabulary"),
    ):
        with pytest.raises(UsageError, match=message):
            initialize(**arguments)
