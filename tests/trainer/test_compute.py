"""Compiling and recomputing layers: faster or smaller, and the same training."""

from __future__ import annotations

import dataclasses
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig

from prepcore.arguments import Parser, UsageError
from tests.trainer.folders import random_documents, write_byte_tokenizer, write_token_folder
from tests.trainer.models import dotted, tiny_llama, tiny_model_config
from tests.trainer.test_cli import TINY, here
from tests.trainer.test_fit import last_of, losses, twenty_steps, weights
from trainer import choices
from trainer.callbacks import plot
from trainer.callbacks.checkpoint import SaveCheckpoints
from trainer.choices import COMPILED_FROM, compile_obstacle
from trainer.compute import resolve_compute
from trainer.config import ComputeConfig, FitConfig, InitializeConfig, OptimizerConfig
from trainer.data import Batch
from trainer.fit import fit
from trainer.init import init
from trainer.model import LlamaModule


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FitConfig:
    monkeypatch.setattr(plot, "draw", lambda metrics, folder: None)
    tokens = write_token_folder(
        tmp_path / "tokens", [random_documents(60)], validation=random_documents(12, seed=2)
    )
    config = twenty_steps(tokens, tmp_path / "run")
    return dotted(config, trainer={"max_steps": 6, "val_check_interval": 3})


def module_of(dropout: float | None = None, **options: Any) -> LlamaModule:
    return LlamaModule(
        tiny_llama(num_hidden_layers=4),
        optimizer=OptimizerConfig(),
        learning_rate=lambda step: 0.0,
        compute=ComputeConfig(**options),
        attention_dropout=dropout,
    )


def packed_batch() -> Batch:
    """Of the shape that the run here has, whose compiled layers are then found in the compiler's cache."""
    torch.manual_seed(5)
    positions = torch.cat([torch.arange(7), torch.arange(4), torch.arange(5)])
    return {"input_ids": torch.randint(0, 96, (4, 16)), "position_ids": positions.expand(4, 16)}


def loss_and_gradients(module: LlamaModule, batch: Batch) -> tuple[Tensor, list[Tensor]]:
    torch.manual_seed(11)
    loss, _ = module.loss_sum(batch)
    return loss.detach(), list(torch.autograd.grad(loss, list(module.parameters())))


@pytest.mark.parametrize("checkpointing", ["full", "2"])
@pytest.mark.parametrize(
    ("attention", "dropout"),
    [("eager", None), ("eager", 0.3), ("sdpa", None), ("sdpa", 0.3), ("split", None)],
)
def test_recomputed_equals_kept(attention: str, checkpointing: str, dropout: float | None) -> None:
    batch = packed_batch()
    calls: dict[str, int] = {}
    found = {}
    for name in ("off", checkpointing):
        module = module_of(dropout, attention=attention, activation_checkpointing=name)
        calls[name] = 0

        def count(*_: Any, name: str = name) -> None:
            calls[name] += 1

        for layer in module.model.model.layers:
            layer.input_layernorm.register_forward_hook(
                lambda *_, name=name: calls.update({name: calls[name] + 1})
            )
        found[name] = loss_and_gradients(module, batch)
        module.eval()
        with torch.no_grad():
            module.loss_sum(batch)
    assert torch.equal(found["off"][0], found[checkpointing][0])
    for kept, recomputed in zip(found["off"][1], found[checkpointing][1], strict=True):
        assert torch.equal(kept, recomputed)
    # Four layers and four in evaluation, and those computed a second time.
    assert calls == {"off": 8, checkpointing: 8 + (4 if checkpointing == "full" else 2)}


def test_recomputing_keeps_less() -> None:
    kept = {}
    for name in ("off", "2", "full"):
        module = module_of(attention="split", activation_checkpointing=name)
        sizes: dict[int, int] = {}

        def pack(tensor: Tensor, sizes: dict[int, int] = sizes) -> Tensor:
            storage = tensor.untyped_storage()
            sizes[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            module.loss_sum(packed_batch())
        kept[name] = sum(sizes.values())
    print("bytes kept for the way back:", kept)
    assert kept["full"] < kept["2"] < kept["off"]


def test_compiled_layers_compute_the_same_and_are_compiled_once() -> None:
    batches = [packed_batch()]
    ids = batches[0]["input_ids"]
    for places in ((3, 13), (1, 1, 5, 2, 3, 4), (16,)):
        positions = torch.cat([torch.arange(count) for count in places])
        batches.append({"input_ids": ids, "position_ids": positions.expand(4, 16)})
    batches.append({"input_ids": ids})
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    plain, compiled = module_of(), module_of(compile="on")
    recomputing = module_of(compile="on", activation_checkpointing="2")
    for batch in batches:
        loss, gradients = loss_and_gradients(plain, batch)
        for module in (compiled, recomputing):
            found, found_gradients = loss_and_gradients(module, batch)
            torch.testing.assert_close(found, loss)
            for ours, theirs in zip(found_gradients, gradients, strict=True):
                torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    counters = torch._dynamo.utils.counters
    assert counters["stats"]["unique_graphs"] <= 2, counters["stats"]
    assert not counters["graph_break"]
    # Evaluation and generation take the layers as they are.
    before = dict(counters["frames"])
    with torch.no_grad():
        compiled.loss_sum({"input_ids": ids[:, :7]})
        compiled.model.generate(ids[:1, :5], max_new_tokens=3, do_sample=False)
    assert dict(counters["frames"]) == before


def test_a_rehearsal_leaves_no_trace() -> None:
    module = module_of(0.5, attention="sdpa")
    batch = {name: values[None] for name, values in packed_batch().items()}
    before = torch.get_rng_state()
    module.rehearse(batch)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(parameter.grad is None for parameter in module.parameters())


def test_compiled_resumed_equals_uninterrupted(
    config: FitConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = dotted(config, compute={"compile": "on", "activation_checkpointing": "2"})
    whole = dataclasses.replace(config, run=config.run + "-whole")
    fit(whole)
    said = capsys.readouterr().err
    wanted = "compute: split attention, chunked loss, compile on, one layer of every 2 computed again"
    assert wanted in said
    assert "compiled the layers in" in said
    real = SaveCheckpoints.on_train_batch_end

    def interrupt(callback: SaveCheckpoints, trainer: Any, *rest: Any) -> None:
        real(callback, trainer, *rest)
        if trainer.global_step == 2:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(SaveCheckpoints, "on_train_batch_end", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fit(config)
    monkeypatch.setattr(SaveCheckpoints, "on_train_batch_end", real)
    # As in a new process, which compiles again.
    torch._dynamo.reset()
    fit(dataclasses.replace(config, resume=config.run))
    assert losses(config.run) == losses(whole.run)
    wanted = weights(last_of(whole))
    assert all(torch.equal(weight, wanted[name]) for name, weight in weights(last_of(config)).items())


@pytest.mark.parametrize(
    "options",
    [
        {"activation_checkpointing": "full"},
        {"attention": "eager"},
        {"attention": "sdpa", "loss": "whole"},
        {"attention": "split", "loss": "chunked"},
    ],
)
def test_a_run_is_the_same_training_however_it_is_computed(
    config: FitConfig, options: dict[str, Any]
) -> None:
    plain = dataclasses.replace(config, run=config.run + "-plain")
    fit(plain)
    fit(dotted(config, compute=options))
    for step, loss in losses(plain.run).items():
        assert losses(config.run)[step] == pytest.approx(loss, abs=1e-4)
    assert losses(config.run, "validation_loss")[6] == pytest.approx(
        losses(plain.run, "validation_loss")[6], abs=1e-4
    )


def test_attention_dropout_of_a_run_is_kept_with_it(config: FitConfig) -> None:
    config = dotted(config, model={"attention_dropout": 0.2})
    fit(config)
    assert LlamaConfig.from_pretrained(last_of(config)).attention_dropout == 0.2
    plain = dataclasses.replace(dotted(config, model={"attention_dropout": None}), run=config.run + "-plain")
    fit(plain)
    assert losses(config.run)[3] != losses(plain.run)[3]
    # Off in evaluation: the first weights are the same, and so is their validation.
    assert losses(config.run, "validation_loss")[0] == losses(plain.run, "validation_loss")[0]


def test_init_writes_the_dropout_down(tmp_path: Path) -> None:
    write_byte_tokenizer(tmp_path / "tokenizer", 96)
    model = dataclasses.replace(tiny_model_config(), attention_dropout=0.25)
    init(InitializeConfig(out=str(tmp_path / "new"), model=model, tokenizer=str(tmp_path / "tokenizer")))
    assert LlamaConfig.from_pretrained(tmp_path / "new").attention_dropout == 0.25


def test_auto_compiles_where_a_run_is_long_enough(config: FitConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_llama()
    settled = {}
    enough = int(COMPILED_FROM / 6 / model.num_parameters()) + 1
    for tokens in (1000, enough):
        found = resolve_compute(config, model, length=16, tokens=tokens, precision="32-true", packed=True)
        assert (found.attention, found.loss) == ("split", "chunked")
        settled[tokens] = found.compile
    assert settled == {1000: "off", enough: "on"}
    off = dotted(config, compute={"compile": "off"})
    assert (
        resolve_compute(off, model, length=16, tokens=enough, precision="32-true", packed=True).compile
        == "off"
    )
    monkeypatch.setattr(choices.shutil, "which", lambda name: None)
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert (
        resolve_compute(config, model, length=16, tokens=enough, precision="32-true", packed=True).compile
        == "off"
    )
    assert compile_obstacle("cpu") == "there is no C++ compiler (no-such-compiler)"
    with pytest.raises(UsageError, match=r"compute\.compile is on, but there is no C\+\+ compiler"):
        fit(dotted(config, compute={"compile": "on"}))
    assert not Path(config.run).exists()
    assert "mps" not in str(compile_obstacle("cpu"))
    assert compile_obstacle("mps") == "layers are compiled for CPUs and CUDA alone"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--compute.compile", "sometimes"], "'sometimes' is not one of auto, on, off"),
        (["--compute.activation-checkpointing", "0"], "'0' is not off, full, or a whole number K"),
        (["--compute.attention", "flash"], "one of auto, eager, sdpa, split, varlen"),
        (["--compute.loss", "fast"], "one of auto, chunked, whole"),
        (["--model.attention-dropout", "1"], "from 0 to 0.99"),
        (
            ["--compute.attention", "split", "--model.attention-dropout", "0.1"],
            r"split, which knows no dropout, but model\.attention-dropout is 0\.1",
        ),
        (
            ["--compute.attention", "varlen", "--trainer.accelerator", "cpu"],
            "varlen, which is for CUDA in bf16, but trainer.accelerator is cpu",
        ),
        (
            ["--compute.attention", "varlen", "--trainer.precision", "32-true"],
            "is auto and trainer.precision 32-true",
        ),
        (
            ["--compute.attention", "split", "--trainer.accelerator", "gpu"],
            "split, which is for CPUs, but trainer.accelerator is gpu",
        ),
    ],
)
def test_what_contradicts_itself_is_refused(words: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Parser(FitConfig, "fit").parse(["--data.path", "x", *words])


def test_options_in_yaml(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    text = "compute:\n  compile: {}\n  activation-checkpointing: {}\n  attention: eager\n  loss: whole\n"
    for compiling, checkpointing, wanted, every in (
        ("on", "off", "on", 0), ("off", "full", "off", 1), ("auto", "3", "auto", 3),
    ):  # fmt: skip
        file.write_text(text.format(compiling, checkpointing))
        found = Parser(FitConfig, "fit").parse(["--data.path", "x", "--config", str(file)]).compute
        assert (found.compile, found.recompute_every) == (wanted, every)
        assert (found.attention, found.loss) == ("eager", "whole")


def test_the_command_says_how_it_computes_and_a_resumed_run_does_the_same(
    config: FitConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["attention=eager", "loss=whole", "compile=off", "activation-checkpointing=full"]
    words = ["fit", *TINY, "--data.path", config.data.path, "--run", str(tmp_path / "cli")]
    assert here(*words, *(f"--compute.{option}" for option in options)) == 0
    wanted = "compute: eager attention, whole loss, compile off, every layer computed again\n"
    assert wanted in capsys.readouterr().err
    resume = ["fit", "--resume", str(tmp_path / "cli"), "--trainer.max-steps", "8"]
    assert here(*resume, "--compute.attention", "auto") == 0
    said = capsys.readouterr().err
    assert "changed compute.attention: eager → auto" in said
    assert wanted.replace("eager", "split") in said
    assert here(*resume, "--model.attention-dropout", "0.5") == 2
    assert "model.attention-dropout is 0.5, but the run in" in capsys.readouterr().err
