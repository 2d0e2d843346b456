"""Perplexity and bits a byte: by hand, and between tokenizers."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from tests.conftest import Run
from tests.trainer.folders import write_token_folder
from trainer.callbacks import plot
from trainer.callbacks.lines import read
from trainer.config import BatchConfig, DataConfig, FitConfig, InitConfig, ModelConfig, TrainerConfig
from trainer.fit import fit

SIZES: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
}


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plot, "draw", lambda metrics, folder: None)


def run_of(tokens: Path, run: Path, model: ModelConfig) -> FitConfig:
    return FitConfig(
        data=DataConfig(path=str(tokens)),
        model=model,
        batch=BatchConfig(micro=2),
        trainer=TrainerConfig(max_steps=1, accelerator="cpu", precision="32-true"),
        run=str(run),
    )


def test_two_tokenizers_that_know_the_same_have_the_same_bits(tmp_path: Path) -> None:
    """Text over 16 letters, as letters (16 ids) and as pairs of letters (256 ids).

    A model of zeros finds every id as likely as any other, which is the same knowledge of the text: 4 bits a
    letter, though the perplexities are 16 and 256. A letter is a byte.
    """
    letters = np.random.default_rng(0).integers(0, 16, size=2048)
    found = []
    for name, vocabulary, ids in (
        ("letters", 16, letters),
        ("pairs", 256, letters[0::2] * 16 + letters[1::2]),
    ):
        tokens = write_token_folder(
            tmp_path / name,
            [[ids.tolist()]],
            validation=[ids.tolist()],
            vocabulary=vocabulary,
            bos=None,
            eos=None,
        )
        manifest = json.loads((tokens / "manifest.json").read_text())
        for split in (manifest, manifest["validation"]):
            split["bytes"] = len(letters)
            split["files"][0]["bytes"] = len(letters)
        (tokens / "manifest.json").write_text(json.dumps(manifest))
        zeros = LlamaForCausalLM(LlamaConfig(**SIZES, vocab_size=vocabulary, max_position_embeddings=16))
        for parameter in zeros.parameters():
            torch.nn.init.zeros_(parameter)
        zeros.save_pretrained(tmp_path / f"zeros-{name}")
        continued = InitConfig(strategy="continue", source=str(tmp_path / f"zeros-{name}"))
        fit(run_of(tokens, tmp_path / f"run-{name}", ModelConfig(init=continued)))
        first = read(tmp_path / f"run-{name}" / "metrics.csv")[0]
        assert float(first["perplexity"]) == pytest.approx(vocabulary, rel=1e-5)
        found.append(float(first["bits_per_byte"]))
    assert found == pytest.approx([4.0, 4.0], rel=1e-5)


def test_bits_a_byte_by_hand(tmp_path: Path, prepcore_command: Run) -> None:
    """From real text: the nats of every target of every row, in bits, over the bytes of their share of it."""
    text = tmp_path / "texts"
    text.mkdir()
    for number in range(60):
        words = " ".join(f"{'ä' * (number % 3)}word{(number * 7 + k) % 23}" for k in range(30))
        (text / f"{number}.txt").write_text(f"{words}\n" * 2, encoding="utf-8")
    prepcore_command(
        "tokenizer", text, "--vocabulary-size", "300", "--out", tmp_path / "tokenizer", "--quiet"
    )
    prepcore_command(
        "pack", text, "--tokenizer", tmp_path / "tokenizer", "--sequence-length", "32",
        "--validation", "20%", "--out", tmp_path / "tokens", "--quiet",
    )  # fmt: skip
    checkpoint = fit(run_of(tmp_path / "tokens", tmp_path / "run", ModelConfig(**SIZES)))
    last = [line for line in read(tmp_path / "run" / "metrics.csv") if line["validation_loss"]][-1]

    import prepcore

    folder = prepcore.Tokens(tmp_path / "tokens")
    held_out = folder.validation
    assert held_out is not None
    # What the documents held out are, in bytes: their texts, found again by their tokens less <s> and </s>.
    ids = np.fromfile(tmp_path / "tokens" / "validation" / "tokens-00000.ds", dtype="<u2").astype(np.int64)
    ends = np.fromfile(tmp_path / "tokens" / "validation" / "tokens-00000.ds.index", dtype="<u8").astype(int)
    bytes_held_out = 0
    for first, end in zip([0, *ends[:-1]], ends, strict=True):
        bytes_held_out += len(folder.decode(ids[first + 1 : end - 1]).encode())
    texts = {path.read_text(encoding="utf-8") for path in text.iterdir()}
    assert folder.decode(ids[1 : ends[0] - 1]) in texts

    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
    nats, targets = 0.0, 0
    for row in range(held_out.rows(32)):
        tokens = torch.from_numpy(held_out.read(np.array([row]), 32))
        positions = torch.from_numpy(held_out.positions(np.array([row]), 32))
        logits = model(input_ids=tokens, position_ids=positions, use_cache=False).logits
        nats += F.cross_entropy(logits[0, :-1], tokens[0, 1:], reduction="sum").item()
        targets += 31
    loss = nats / targets
    assert float(last["validation_loss"]) == pytest.approx(loss, abs=1e-4)
    assert float(last["perplexity"]) == pytest.approx(math.exp(loss), rel=1e-3)
    bits = nats / math.log(2)
    bytes_of_targets = bytes_held_out * targets / len(ids)
    assert float(last["bits_per_byte"]) == pytest.approx(bits / bytes_of_targets, rel=1e-3)
