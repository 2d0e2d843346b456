"""Training on a recipe of several token folders."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM

import prepcore
from prepcore.arguments import UsageError
from tests.trainer.folders import random_documents, write_token_folder
from tests.trainer.models import dotted
from tests.trainer.test_cli import TINY, environment
from tests.trainer.test_faults import fit_killed, same, state
from tests.trainer.test_fit import fit_interrupted, last_of, losses, twenty_steps, weights
from trainer.callbacks import lines, plot
from trainer.config import DataConfig, FitConfig, OptimizerConfig
from trainer.data import PackedTokens, Rows
from trainer.fit import fit
from trainer.mixture import MixedSplit, Mixture
from trainer.model import LlamaModule
from trainer.order import MixedOrder, RowOrder, StepOrder
from trainer.resolve import resolve
from trainer.rows import open_data
from trainer.run_folder import STATE_FILE
from trainer.tokens import TokenFolder

LENGTH = 16
SOURCES = {"web": 6, "code": 3, "books": 1}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three sources: two dtypes, one packed by best fit; of the smallest, little is there."""
    root = tmp_path_factory.mktemp("mixture")
    kinds = {"web": {}, "code": {"dtype": "uint32"}, "books": {"packing": "best-fit"}}
    for number, (name, kind) in enumerate(kinds.items()):
        documents = random_documents(60 // (number + 1), seed=number)
        held_out = random_documents(12 + number, seed=10 + number)
        write_token_folder(root / name, [documents], validation=held_out, **kind)
    sources = {name: (root / name, weight) for name, weight in SOURCES.items()}
    prepcore.mix(sources, tokens=160 * LENGTH, out=root / "recipe.json")
    return root / "recipe.json"


@pytest.fixture
def config(recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FitConfig:
    monkeypatch.setattr(plot, "draw", lambda metrics, folder: None)
    return twenty_steps(recipe, tmp_path / "run")


@pytest.fixture(scope="module")
def whole(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> FitConfig:
    """A run that went through undisturbed."""
    config = twenty_steps(recipe, tmp_path_factory.mktemp("whole") / "run")
    fit(config)
    return config


ROWS_AND_WEIGHTS = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 50)), min_size=1, max_size=9)


@given(
    sources=ROWS_AND_WEIGHTS,
    rows_per_step=st.integers(1, 30),
    seed=st.integers(0, 2**64 - 1),
    steps=st.integers(1, 30),
)
@settings(max_examples=80, deadline=None)
def test_each_source_is_gone_through_wholly_before_it_repeats(
    sources: list[tuple[int, int]], rows_per_step: int, seed: int, steps: int
) -> None:
    rows, shares = zip(*sources, strict=True)
    order = MixedOrder(rows, shares, rows_per_step, seed)
    visited = np.concatenate([order.rows_of_step(step) for step in range(steps)])
    starts = np.cumsum([0, *rows])
    for number, count in enumerate(rows):
        inside = (visited >= starts[number]) & (visited < starts[number + 1])
        own = visited[inside] - starts[number]
        for place in range(0, len(own), count):
            epoch = own[place : place + count].tolist()
            assert len(set(epoch)) == len(epoch)
        # Within one row of its share, after every row.
        had = np.cumsum(inside)
        off = had * sum(shares) - np.arange(1, len(visited) + 1) * shares[number]
        assert np.abs(off).max() <= sum(shares)
        assert order.counts(steps)[number] == len(own)
    # One step alone, and the same rows in steps of one row: no history, no batch.
    assert np.array_equal(
        MixedOrder(rows, shares, rows_per_step, seed).rows_of_step(steps - 1), visited[-rows_per_step:]
    )
    single = MixedOrder(rows, shares, 1, seed)
    assert [int(single.rows_of_step(step)[0]) for step in range(min(50, len(visited)))] == visited[
        :50
    ].tolist()


def test_a_mixture_of_one_folder_is_the_folder() -> None:
    mixed, alone = MixedOrder([37], [5], 8, seed=3), StepOrder(37, 8, seed=3)
    assert all(np.array_equal(mixed.rows_of_step(step), alone.rows_of_step(step)) for step in range(20))


def test_sources_of_one_size_have_orders_of_their_own() -> None:
    order = MixedOrder([50, 50], [1, 1], 100, seed=0)
    visited = order.rows_of_step(0)
    first, second = visited[visited < 50], visited[visited >= 50] - 50
    assert first.tolist() != second.tolist()
    assert np.array_equal(first, RowOrder(50, 0)(np.arange(50)))


def test_rows_of_a_mixture_are_those_of_its_folders(recipe: Path) -> None:
    mixture = Mixture.open(recipe)
    folders = [TokenFolder.open(recipe.parent / name) for name in SOURCES]
    for side in ("train", "validation"):
        split: MixedSplit = getattr(mixture, side)
        parts = [getattr(folder, side) for folder in folders]
        assert split.names == ("web", "code", "books")
        count = split.rows(LENGTH)
        assert count == sum(part.rows(LENGTH) for part in parts)
        numbers = np.random.default_rng(0).permutation(count)
        for name in ("read", "positions"):
            wanted = np.concatenate(
                [getattr(part, name)(np.arange(part.rows(LENGTH)), LENGTH) for part in parts]
            )
            assert np.array_equal(getattr(split, name)(numbers, LENGTH), wanted[numbers])
        masks = [part.mask(np.arange(part.rows(LENGTH)), LENGTH) for part in parts]
        assert masks[0] is None
        assert masks[2] is not None
        assert masks[2].sum() == masks[2].size - split.padding(LENGTH)
        filled = [np.ones((part.rows(LENGTH), LENGTH), bool) for part in parts[:2]]
        found = split.mask(numbers, LENGTH)
        assert found is not None
        assert np.array_equal(found, np.concatenate([*filled, masks[2]])[numbers])
        assert split.mask(np.arange(2), LENGTH) is None
    assert (mixture.vocabulary_size, mixture.bos, mixture.eos, mixture.borders) == (96, 1, 2, True)
    # The test folders claim three bytes a token.
    assert mixture.validation is not None
    assert mixture.validation.tokens_per_byte == pytest.approx(1 / 3)


def test_the_rows_of_a_run_are_those_that_the_recipe_states(recipe: Path) -> None:
    stated = json.loads(recipe.read_text())
    mixture = Mixture.open(recipe)
    for micro, tokens in ((1, 8), (4, 8), (8, 8), (5, 20)):
        data = PackedTokens(
            mixture, length=LENGTH, micro=micro, rows_per_step=tokens, total_steps=0, seed=0, isolate=True
        )
        steps = stated["rows"] // tokens
        rows = np.concatenate([data.order.rows_of_step(step) for step in range(steps)])
        starts = mixture.train.starts
        seen = Counter((np.searchsorted(starts, rows, side="right") - 1).tolist())
        assert [seen[number] for number in range(3)] == [source["rows"] for source in stated["sources"]]
        assert list(data.rows_of_sources(steps)) == [source["rows"] for source in stated["sources"]]
    config = FitConfig(data=DataConfig(path=str(recipe)))
    assert resolve(config, mixture).total_steps == stated["rows"] // config.batch.micro


def test_the_same_training_for_any_micro_batch(whole: FitConfig, config: FitConfig) -> None:
    other = dotted(config, batch={"micro": 1})
    fit(other)
    ours, theirs = losses(other.run), losses(whole.run)
    assert max(abs(ours[step] - theirs[step]) for step in theirs) < 1e-4


@pytest.mark.parametrize("stop_after", [3, 16])
def test_resumed_equals_uninterrupted(
    whole: FitConfig, config: FitConfig, monkeypatch: pytest.MonkeyPatch, stop_after: int
) -> None:
    fit_interrupted(config, stop_after, monkeypatch)
    state = torch.load(last_of(config) / STATE_FILE, weights_only=True)["PackedTokens"]
    assert state["weights"] == [6, 3, 1]
    assert sum(state["rows"]) == 8 * stop_after
    resumed = weights(fit(dataclasses.replace(config, resume=config.run)))
    assert all(torch.equal(resumed[name], weight) for name, weight in weights(last_of(whole)).items())
    assert losses(config.run) == losses(whole.run)
    assert losses(config.run, "validation_loss") == losses(whole.run, "validation_loss")
    assert lines.read(Path(config.run) / "sources.csv") == lines.read(Path(whole.run) / "sources.csv")


def test_killed_and_resumed_equals_uninterrupted(whole: FitConfig, config: FitConfig) -> None:
    fit_killed(config, like=whole)
    resumed = fit(dataclasses.replace(config, resume=config.run))
    assert same(weights(resumed), weights(last_of(whole)))
    assert same(state(resumed), state(last_of(whole)))
    assert losses(config.run) == losses(whole.run)
    assert lines.read(Path(config.run) / "sources.csv") == lines.read(Path(whole.run) / "sources.csv")


def test_a_checkpoint_without_counts_goes_on_all_the_same(
    whole: FitConfig, config: FitConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = dotted(config, trainer={"max_steps": 8}, schedule={"warmup": "1"})
    fit(half)
    path = last_of(half) / STATE_FILE
    state = torch.load(path, weights_only=True)
    del state["PackedTokens"]
    torch.save(state, path)
    fit(dataclasses.replace(dotted(config, schedule={"warmup": "1"}), resume=config.run))
    seen = lines.read(Path(config.run) / "sources.csv")[-3:]
    assert seen == [
        {**line, "validation_loss": seen[index]["validation_loss"]}
        for index, line in enumerate(lines.read(Path(whole.run) / "sources.csv")[-3:])
    ]


def test_the_log_says_what_was_seen_of_each_source(whole: FitConfig, recipe: Path) -> None:
    log = lines.read(Path(whole.run) / "sources.csv")
    assert [(int(line["step"]), line["source"]) for line in log] == [
        (step, name) for step in (0, 8, 16, 20) for name in SOURCES
    ]
    available = {s["name"]: s["available_rows"] for s in json.loads(recipe.read_text())["sources"]}
    for line, share in zip(log[-3:], (0.6, 0.3, 0.1), strict=True):
        assert int(line["rows"]) == 160 * share
        assert int(line["tokens"]) == 160 * share * LENGTH
        assert float(line["epochs"]) == int(line["rows"]) / available[line["source"]]
    # The whole loss weighs the sources as the mixture does.
    together = losses(whole.run, "validation_loss")
    for step in (0, 8, 16, 20):
        own = [float(line["validation_loss"]) for line in log if int(line["step"]) == step]
        assert together[step] == pytest.approx(0.6 * own[0] + 0.3 * own[1] + 0.1 * own[2])


def test_the_validation_loss_of_a_source_is_that_of_its_folder(whole: FitConfig, recipe: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(last_of(whole), dtype=torch.float32)
    module = LlamaModule(model, optimizer=OptimizerConfig(), learning_rate=lambda step: 0.0)
    for line in lines.read(Path(whole.run) / "sources.csv")[-3:]:
        split = TokenFolder.open(recipe.parent / line["source"]).validation
        assert split is not None
        batch = Rows(split, length=LENGTH, micro=1000, isolate=True)[0]
        with torch.inference_mode():
            loss, targets = module.loss_sum(batch)
        assert float(line["validation_loss"]) == pytest.approx(float(loss / targets), abs=1e-5)


def test_another_mixture_is_said_where_a_run_goes_on(
    config: FitConfig, recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fit(dotted(config, trainer={"max_steps": 4}))
    said = capsys.readouterr().err
    assert "source web: share 0.6, 20 of" in said or "source web: share 0.6, 19 of" in said
    assert "passes over the recipe" in said
    other = tmp_path / "other.json"
    sources = {name: (recipe.parent / name, 1) for name in ("web", "code")}
    prepcore.mix(sources, tokens=10_000, out=other)
    again = dotted(config, trainer={"max_steps": 8}, data={"path": str(other)})
    fit(dataclasses.replace(again, resume=config.run))
    said = capsys.readouterr().err
    assert "changed data.path: " in said
    assert "changed web: share 0.6 → 0.5" in said
    assert "changed books: in the mixture → not in it" in said
    assert "warning: web repeats" not in said
    # Rows of another length would make the steps already done those of another run.
    prepcore.mix(sources, tokens=10_000, out=other, sequence_length=8)
    with pytest.raises(UsageError, match=r"is for rows of 8 tokens, but the run in .* was begun with 16"):
        fit(dataclasses.replace(again, resume=config.run))
    # A longer recipe of the same mixture is no other one.
    prepcore.mix(sources, tokens=20_000, out=other)
    again = dotted(again, trainer={"max_steps": 12})
    fit(dataclasses.replace(again, resume=config.run))
    assert "changed web" not in capsys.readouterr().err


def test_sources_without_validation_are_trained_on_and_not_validated(
    config: FitConfig, tmp_path: Path
) -> None:
    for name in ("web", "code"):
        write_token_folder(tmp_path / name, [random_documents(20)])
    sources = {name: (tmp_path / name, 1) for name in ("web", "code")}
    prepcore.mix(sources, tokens=2000, out=tmp_path / "recipe.json")
    fit(dotted(config, data={"path": str(tmp_path / "recipe.json")}, trainer={"max_steps": 3}))
    log = lines.read(Path(config.run) / "sources.csv")
    assert [(line["step"], line["source"], line["rows"]) for line in log] == [
        ("3", "web", "12"),
        ("3", "code", "12"),
    ]
    assert losses(config.run, "validation_loss") == {}


def test_what_does_not_fit_the_recipe_is_refused(recipe: Path, tmp_path: Path) -> None:
    def opened(path: Path, **options: object) -> None:
        open_data(DataConfig(path=str(path), **options), print)

    with pytest.raises(UsageError, match=r"a recipe is for rows of 16 tokens, and rows of 8 were asked for"):
        opened(recipe, sequence_length=8)
    with pytest.raises(UsageError, match=r"--data\.tokenizer has no effect"):
        opened(recipe, tokenizer=str(recipe.parent))
    opened(recipe, sequence_length=16)
    folder = write_token_folder(tmp_path / "web", [random_documents(20)])
    prepcore.mix({"web": (folder, 1)}, tokens=1000, out=tmp_path / "recipe.json")
    opened(tmp_path / "recipe.json")
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "dtype": "uint32"}))
    with pytest.raises(UsageError, match=r"web, the source 'web' of .* has changed since the recipe"):
        opened(tmp_path / "recipe.json")
    (folder / "manifest.json").unlink()
    with pytest.raises(UsageError, match=r"web is not a token folder"):
        opened(tmp_path / "recipe.json")


def test_from_the_command_line(recipe: Path, tmp_path: Path) -> None:
    sources = [f"{name}={recipe.parent / name}:{weight}" for name, weight in SOURCES.items()]
    words = ["prepcore", "mix", "--source", *sources, "--tokens", "2k", "--out", "mix.json", "--quiet"]
    train = ["trainer", "fit", "--data.path", "mix.json", *TINY, "--run", "run"]
    for module in (words, train):
        done = subprocess.run(
            [sys.executable, "-m", *module], capture_output=True, text=True, env=environment(), cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
    assert "source books: share 0.1, " in done.stderr
    assert "validation loss" in done.stderr
    seen = lines.read(tmp_path / "run" / "sources.csv")[-3:]
    assert sum(int(line["rows"]) for line in seen) == 6 * FitConfig(data=DataConfig(path="x")).batch.micro
