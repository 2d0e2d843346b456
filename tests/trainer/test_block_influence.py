from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from transformers import LlamaForCausalLM

from tests.trainer.folders import random_documents, write_token_folder
from tests.trainer.models import tiny_llama
from trainer.initialize import initialize
from trainer.initialize.around import Sample
from trainer.initialize.sample import Spread, block_influence, sample_loss
from trainer.tokens import TokenFolder


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    documents = [random_documents(200), random_documents(100, seed=1)]
    return write_token_folder(
        tmp_path_factory.mktemp("tokens") / "t", documents, validation=random_documents(9, seed=2)
    )


def watch(layer: nn.Module, entering: list[torch.Tensor], leaving: list[torch.Tensor]) -> Any:
    def hook(module: nn.Module, words: Any, keywords: Any, output: Any) -> None:
        entering.append(words[0] if words else keywords["hidden_states"])
        leaving.append(output[0] if isinstance(output, tuple) else output)

    return layer.register_forward_hook(hook, with_kwargs=True)


def by_hand(model: LlamaForCausalLM, folder: TokenFolder, rows: list[int], length: int) -> list[float]:
    """The definition, on stock attention, a document at a time."""
    cosines: list[list[float]] = [[] for _ in model.model.layers]
    for row in rows:
        ids = torch.from_numpy(folder.train.read(np.array([row]), length))[0]
        starts = (
            (torch.from_numpy(folder.train.positions(np.array([row]), length))[0] == 0).nonzero().flatten()
        )
        borders = sorted({0, *starts.tolist(), length})
        for start, end in pairwise(borders):
            places = torch.from_numpy(folder.train.positions(np.array([row]), length))[:, start:end]
            entering: list[torch.Tensor] = []
            leaving: list[torch.Tensor] = []
            hooks = [watch(layer, entering, leaving) for layer in model.model.layers]
            with torch.no_grad():
                model.eval()(ids[None, start:end], position_ids=places, use_cache=False)
            for hook in hooks:
                hook.remove()
            for layer, (before, after) in enumerate(zip(entering, leaving, strict=True)):
                cosines[layer] += F.cosine_similarity(before, after, dim=-1).flatten().tolist()
    return [1 - sum(values) / len(values) for values in cosines]


@pytest.mark.parametrize("packing", ["concatenate", "best-fit"])
def test_influence_is_what_the_paper_defines(tmp_path: Path, packing: str) -> None:
    folder = TokenFolder.open(write_token_folder(tmp_path / "t", [random_documents(90)], packing=packing))
    model = tiny_llama(num_hidden_layers=4)
    rows = Spread(folder.train.rows(16), 20, 8)
    chosen = [int(row) for step in range(rows.steps) for row in rows.rows_of_step(step)]
    assert len(set(chosen)) == 20
    assert chosen[0] == 0
    assert chosen[-1] >= folder.train.rows(16) * 0.9
    attention, weights = model.config._attn_implementation, model.state_dict()
    values, counted = block_influence(model, Sample(folder, 16, True), 20 * 16)
    assert model.training  # as it was
    assert model.config._attn_implementation == attention
    assert all(torch.equal(weight, weights[name]) for name, weight in model.state_dict().items())
    if packing == "concatenate":
        assert counted == 320
        assert values == pytest.approx(by_hand(model, folder, chosen, 16), abs=1e-5)
    else:
        mask = folder.train.mask(np.array(chosen), 16)
        assert mask is not None
        assert counted == mask.sum() < 320


def test_a_block_that_does_nothing_has_no_influence_and_goes(tokens: Path, tmp_path: Path) -> None:
    source = tiny_llama(num_hidden_layers=5)
    for idle in (1, 3):
        nn.init.zeros_(source.model.layers[idle].self_attn.o_proj.weight)
        nn.init.zeros_(source.model.layers[idle].mlp.down_proj.weight)
    source.save_pretrained(tmp_path / "source")
    model, facts = initialize(
        "downscale", tmp_path / "source", layers=3, keep="block-influence", tokens=tokens, sample_tokens=1024
    )
    assert facts.layers is not None
    assert facts.layers.sources == (0, 2, 4)
    influence: Any = facts.block_influence
    assert influence["tokens"] == 1024
    assert influence["values"][1] == pytest.approx(0, abs=1e-6)
    assert min(influence["values"][layer] for layer in (0, 2, 4)) > 0.01
    # What is dropped was the identity, so nothing is lost.
    assert facts.loss is not None
    assert facts.loss["after"] == pytest.approx(facts.loss["before"], abs=1e-6)
    assert "layer   1   0.00000  dropped" in str(facts)
    assert "influence of the blocks on 1,024 tokens" in str(facts)
    facts.write(tmp_path / "initialization.json")
    assert type(facts).read(tmp_path / "initialization.json") == facts
    record = json.loads((tmp_path / "initialization.json").read_text())
    assert record["layers"] == [{"source": layer, "new": False} for layer in (0, 2, 4)]
    assert record["keep"] == "block-influence"
    assert model.config.num_hidden_layers == 3


def test_the_loss_is_measured_on_what_is_held_out(tokens: Path) -> None:
    folder = TokenFolder.open(tokens)
    model = tiny_llama(attention_dropout=0.5)
    sample = Sample(folder, 16, False)
    assert folder.validation is not None
    rows = folder.validation.rows(16)
    ids = torch.from_numpy(folder.validation.read(np.arange(rows), 16))
    with torch.no_grad():
        logits = model.eval()(ids, use_cache=False).logits
    wanted = F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten()).item()
    loss, targets = sample_loss(model.train(), sample)
    assert targets == rows * 15
    assert loss == pytest.approx(wanted, abs=1e-5)
    assert sample_loss(tiny_llama(vocabulary=20), sample) == (None, targets)
