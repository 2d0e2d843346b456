"""`export`: the weights of a checkpoint in the type that is wanted, and a card of what is known."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from tests.trainer.folders import random_documents, write_token_folder
from tests.trainer.models import tiny_llama
from tests.trainer.test_cli import here
from trainer.run_folder import STATE_FILE


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three steps, continued from a model with one layer more."""
    root = tmp_path_factory.mktemp("run")
    tokens = write_token_folder(root / "secret-place" / "tokens", [random_documents(40)],
                                validation=random_documents(8, seed=1))  # fmt: skip
    tiny_llama(num_hidden_layers=3).save_pretrained(root / "base")
    words = ["fit", "--data.path", tokens, "--model.init.strategy=downscale", "--model.init.layers=2"]
    words += [f"--model.init.source={root / 'base'}", "--trainer.max-steps=3", "--trainer.accelerator=cpu"]
    assert here(*map(str, words), "--run", str(root / "run")) == 0
    return root / "run"


def exported(run: Path, out: Path, *words: str) -> Path:
    assert here("export", str(run / "checkpoints" / "last"), "--out", str(out), *words) == 0
    return out


@pytest.mark.parametrize(
    ("dtype", "wanted"), [("bf16", torch.bfloat16), ("fp16", torch.float16), ("fp32", torch.float32)]
)
def test_the_folder_loads_as_the_checkpoint_in_that_type(
    run: Path, tmp_path: Path, dtype: str, wanted: torch.dtype
) -> None:
    out = exported(run, tmp_path / "out", "--dtype", dtype)
    ours = AutoModelForCausalLM.from_pretrained(run / "checkpoints" / "last", dtype=wanted).state_dict()
    theirs = AutoModelForCausalLM.from_pretrained(out, dtype="auto").state_dict()
    assert ours.keys() == theirs.keys()
    assert all(theirs[name].dtype == wanted and torch.equal(theirs[name], ours[name]) for name in ours)
    there = {file.name for file in out.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= there
    assert STATE_FILE not in there


def test_weights_are_cut_into_files_of_the_size_asked_for(run: Path, tmp_path: Path) -> None:
    out = exported(run, tmp_path / "out", "--shard-size", "20kB")
    files = sorted(out.glob("model-*.safetensors"))
    assert len(files) > 1
    assert (out / "model.safetensors.index.json").is_file()
    for file in files:
        weights = load_file(file)
        assert len(weights) == 1 or sum(weight.nbytes for weight in weights.values()) <= 20_000
    whole = AutoModelForCausalLM.from_pretrained(exported(run, tmp_path / "whole"), dtype="auto").state_dict()
    cut = AutoModelForCausalLM.from_pretrained(out, dtype="auto").state_dict()
    assert all(torch.equal(cut[name], weight) for name, weight in whole.items())


def test_the_card_tells_what_is_known(run: Path, tmp_path: Path) -> None:
    card = (exported(run, tmp_path / "small-one", "--license", "mit") / "README.md").read_text()
    head, text = card.removeprefix("---\n").split("---\n", 1)
    assert yaml.safe_load(head) == {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "license": "mit",
    }
    model = AutoModelForCausalLM.from_pretrained(run / "checkpoints" / "last")
    parameters = sum(weight.numel() for weight in model.parameters())
    for said in (
        "# small-one",
        f"| parameters | {parameters:,} |",
        "`downscale` of base, 3 layers.",
        "by their numbers there: 0, 2.",
        "| optimizer steps | 3 |",
        "| perplexity | ",
        "### tokens",
        "| schedule.name | ",
        "from_pretrained",
    ):
        assert said in text, card
    assert "secret-place" not in card


def test_a_model_that_no_run_has_written_is_described_by_itself(tmp_path: Path) -> None:
    tiny_llama().save_pretrained(tmp_path / "model")
    assert here("export", str(tmp_path / "model"), "--out", str(tmp_path / "out"), "--name", "My model") == 0
    card = (tmp_path / "out" / "README.md").read_text()
    assert "# My model" in card
    assert "## Training" not in card
    assert "license" not in card


def test_mistakes_are_refused(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    last = str(run / "checkpoints" / "last")
    large = tiny_llama()
    with torch.no_grad():
        large.model.norm.weight[0] = 1e5
    large.save_pretrained(tmp_path / "large")
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "file").touch()
    for words, said in (
        ([str(tmp_path), "--out", "x"], "it has no config.json"),
        ([last, "--out", str(tmp_path / "used")], "is not empty"),
        ([last, last, "--out", "x"], "CHECKPOINT is 2 folders, wanted one"),
        ([last, "--out", "x", "--shard-size", "many"], "is not a size"),
        ([last, "--out", "x", "--dtype", "int8"], "bf16"),
        (
            [str(tmp_path / "large"), "--out", str(tmp_path / "out"), "--dtype", "fp16"],
            "1 weights of model.norm.weight are above 65,504",
        ),
    ):
        assert here("export", *words) == 2, words
        assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
