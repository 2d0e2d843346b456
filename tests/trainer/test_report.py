"""The page of a run: what it says, that nothing in it is at work, and that it cannot stop a run."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trainer.folders import random_documents, write_token_folder
from tests.trainer.models import dotted, tiny_model_config
from trainer.callbacks import plot
from trainer.callbacks.lines import append, read
from trainer.callbacks.metrics import COLUMNS
from trainer.config import BatchConfig, DataConfig, FitConfig, OptimizerConfig, TrainerConfig
from trainer.fit import fit
from trainer.report.charts import (
    BUCKETS,
    HEIGHT,
    Curve,
    Scale,
    curves_chart,
    round_values,
    running_mean,
    short,
    thinned,
)
from trainer.report.facts import RunFacts
from trainer.report.page import page, write_report
from trainer.report.sections import headline
from trainer.run_folder import RunFolder

PROMPT = "<script>alert(1)</script> & <b>a"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> FitConfig:
    """A run of a mixture with prompts, continued once."""
    import prepcore

    folder = tmp_path_factory.mktemp("run")
    for name, seed in (("web", 0), ("code", 1)):
        write_token_folder(
            folder / name, [random_documents(40, seed=seed)], validation=random_documents(8, seed=seed + 7)
        )
    prepcore.mix(
        {"web": (str(folder / "web"), "70%"), "code": (str(folder / "code"), "30%")},
        tokens=40 * 64,
        out=str(folder / "recipe.json"),
    )
    (folder / "prompts.txt").write_text(f"{PROMPT}\nabc\n")
    config = FitConfig(
        data=DataConfig(path=str(folder / "recipe.json")),
        model=tiny_model_config(),
        batch=BatchConfig(micro=4),
        optimizer=OptimizerConfig(learning_rate=1e-2),
        trainer=TrainerConfig(
            max_steps=30,
            accelerator="cpu",
            precision="32-true",
            val_check_interval=10,
            log_every_n_steps=1,
            peak_tflops=0.5,
        ),
        prompts=str(folder / "prompts.txt"),
        run=str(folder / "run"),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plot, "draw", lambda metrics, folder: None)
        fit(config)
        longer = dotted(config, trainer={"max_steps": 40})
        fit(dataclasses.replace(longer, resume=config.run))
    return config


@pytest.fixture
def html(config: FitConfig) -> str:
    return (Path(config.run) / "report.html").read_text(encoding="utf-8")


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.unbalanced: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in ("meta", "br", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.text += data + "\n"


def test_the_page_says_where_the_run_stands(config: FitConfig, html: str) -> None:
    lines = read(Path(config.run) / "metrics.csv")
    validations = [line for line in lines if line["validation_loss"]]
    first, last = (float(validations[place]["validation_loss"]) for place in (0, -1))
    seen = Page(html)
    assert (
        f"All 40 steps are done (2,560 tokens); the loss on text held out is {last:.3f} nats a token"
        in seen.text
    )
    assert f"{float(validations[-1]['bits_per_byte']):.3f} bits a byte" in seen.text
    assert f"from {first:.3f} before the first step." in seen.text
    for line in validations:
        assert f"{float(line['validation_loss']):.4f}" in seen.text
    for title in ("Loss", "On the way", "Validation", "The mixture", "Samples", "Model", "Checkpoints"):
        assert f"<h2>{title}</h2>" in html
    for chart in ("the loss", "Learning rate", "Norm of the gradient", "Tokens a second"):
        assert f'aria-label="{chart}, over the optimizer steps"' in html
    assert 'aria-label="Model FLOPs utilisation' in html
    assert "of 0.5 TFLOP/s" in seen.text
    assert "checkpoints/step-00000040 (last)" in seen.text
    assert "web" in seen.text
    assert re.search(r'<tr class="changed"><td >optimizer.learning-rate</td><td >0.01</td><td >0.0003', html)
    assert PROMPT in seen.text


def test_nothing_in_the_page_is_at_work_or_fetched(html: str) -> None:
    seen = Page(html)
    assert seen.unbalanced == []
    assert seen.open == []
    assert not seen.tags & {"script", "link", "img", "iframe", "object", "form", "a"}
    assert not {name for name in seen.attributes if name.startswith("on") or name in ("href", "src", "style")}
    assert "default-src 'none'; style-src 'sha256-" in html
    assert "://" not in html
    assert "url(" not in html
    assert "nan" not in re.sub(r"[a-z]+nan|nan[a-z]+", "", html.lower())


def test_the_page_needs_the_files_alone(config: FitConfig, tmp_path: Path, html: str) -> None:
    run = RunFolder(Path(config.run))
    assert page(RunFacts.gather(run)) == html
    # Without any file it says that there is nothing, and does not fail.
    empty = RunFolder(tmp_path / "empty")
    empty.path.mkdir()
    write_report(empty)
    assert "nothing has been measured yet" in empty.report.read_text(encoding="utf-8")
    assert [path.name for path in empty.path.iterdir()] == ["report.html"]


def test_a_run_that_is_half_done_says_so(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.about.write_text('{"total_steps": 10, "tokens_per_step": 64}')
    for step, loss in ((1, 5.0), (2, math.nan), (3, 4.5)):
        append(run.metrics, COLUMNS, {"step": step, "tokens": step * 64, "loss": loss})
    said = headline(RunFacts.gather(run))
    assert said == (
        "3 of 10 steps are done (192 tokens); the loss on the training data is 4.500 nats a token, "
        "from 5.000 after step 1."
    )


def test_the_layer_map_is_shown(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    layers = [(0, False), (1, False), (1, True), (2, False)]
    made = {
        "format": "trainer.initialization",
        "strategy": "expand",
        "source": "base & <co>",
        "layers": [{"source": source, "new": new} for source, new in layers],
        "loss": {"targets": 4000, "before": 2.5, "after": 2.5},
        "block_influence": None,
    }
    run.initialization.write_text(json.dumps(made))
    text = page(RunFacts.gather(run))
    assert '<li>0</li><li>1</li><li class="new">1 <span class="soft">new</span></li><li>2</li>' in text
    seen = Page(text)
    assert "base & <co>" in seen.text
    assert "loss\ntargets 4,000; before 2.5; after 2.5" in seen.text.replace("\n\n", "\n")
    assert "block influence" not in seen.text


def test_the_page_cannot_stop_a_run(
    config: FitConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from trainer.callbacks import report

    def fail(run: RunFolder) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(plot, "draw", lambda metrics, folder: None)
    monkeypatch.setattr(report, "write_report", fail)
    short = dotted(config, trainer={"max_steps": 11})
    assert fit(dataclasses.replace(short, run=str(tmp_path / "run"))).name == "last"
    said = capsys.readouterr().err
    assert said.count("report.html cannot be written, and the run goes on: no space left on device") == 1
    assert not (tmp_path / "run" / "report.html").exists()


VALUES = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e12, max_value=1e12)


@given(st.lists(VALUES, min_size=1, max_size=700), st.booleans(), st.booleans())
def test_any_curve_can_be_drawn(values: list[float], dots: bool, smooth: bool) -> None:
    points = list(enumerate(values))
    drawn = curves_chart("x", [Curve("y", "training", points, dots=dots, smooth=smooth)])
    seen = Page(drawn)
    assert seen.unbalanced == []
    assert seen.open == []
    for path in re.findall(r'points="([^"]*)"', drawn):
        for pair in path.split():
            along, down = map(float, pair.split(","))
            assert 0 <= along <= 100
            assert 0 <= down <= HEIGHT


@given(st.lists(VALUES, min_size=1, max_size=50))
def test_an_axis_has_lines_inside_it(values: list[float]) -> None:
    scale = Scale.of(values)
    assert scale.low <= min(values)
    assert max(values) <= scale.high
    ticks = scale.ticks()
    assert 1 <= len(ticks) <= 12
    assert ticks == sorted(ticks)
    assert all(-1e-6 <= scale.height(tick) <= 1 + 1e-6 for tick in ticks)


def test_a_spike_gets_a_logarithmic_axis() -> None:
    scale = Scale.of([1.0] * 50 + [4000.0])
    assert scale.logarithmic
    assert scale.ticks() == [1.0, 10.0, 100.0, 1000.0]
    assert not Scale.of([0.0] * 50 + [4000.0]).logarithmic
    assert round_values(0.0, 0.0041) == [0.0, 0.001, 0.002, 0.003, 0.004]
    assert [short(value) for value in (8000.0, 14000.0, 2.5e6, 3e-5, 0.0)] == [
        "8,000",
        "14k",
        "2.5M",
        "3e-05",
        "0",
    ]


def test_long_curves_keep_their_extremes() -> None:
    points = [(step, math.sin(step / 50) + (step % 97 == 0)) for step in range(20_000)]
    kept = thinned(points)
    assert len(kept) <= 2 * BUCKETS
    assert kept == sorted(kept)
    assert max(kept, key=lambda point: point[1]) == max(points, key=lambda point: point[1])
    flat = running_mean([(step, 2.0) for step in range(1000)])
    assert [value for _, value in flat] == pytest.approx([2.0] * 1000)
    assert running_mean([(0, 1.0), (1, 5.0), (2, 9.0)]) == [(0, 1.0), (1, 5.0), (2, 9.0)]


def test_an_import_of_the_page_brings_no_torch() -> None:
    import subprocess

    program = "import sys, trainer.report.page; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
