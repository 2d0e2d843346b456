"""TensorBoard and Weights & Biases: what they are told, once, and what happens where they cannot work."""

from __future__ import annotations

import dataclasses
import os
import shutil
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from tests.trainer.folders import random_documents, write_token_folder
from tests.trainer.models import dotted, tiny_model_config
from trainer import loggers
from trainer.callbacks import plot
from trainer.callbacks.lines import read
from trainer.cli import main
from trainer.config import (
    BatchConfig,
    CheckpointConfig,
    DataConfig,
    FitConfig,
    OptimizerConfig,
    TrainerConfig,
    parse_loggers,
)
from trainer.fit import fit
from trainer.loggers import Forgiven, figures
from trainer.loggers.tensorboard import TensorBoard


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_token_folder(
        tmp_path_factory.mktemp("tokens") / "t",
        [random_documents(40)],
        validation=random_documents(8, seed=2),
    )


@pytest.fixture
def config(tokens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FitConfig:
    monkeypatch.setattr(plot, "draw", lambda metrics, folder: None)
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("abc\n")
    return FitConfig(
        data=DataConfig(path=str(tokens)),
        model=tiny_model_config(),
        batch=BatchConfig(micro=4),
        optimizer=OptimizerConfig(learning_rate=1e-2),
        trainer=TrainerConfig(
            max_steps=9, accelerator="cpu", precision="32-true", val_check_interval=4, log_every_n_steps=1
        ),
        checkpoint=CheckpointConfig(keep=9),
        logger=("csv", "tensorboard"),
        prompts=str(prompts),
        run=str(tmp_path / "run"),
    )


def lose_the_last_checkpoint(run: Path) -> None:
    """As a kill between a line of the log and the checkpoint of its step would."""
    shutil.rmtree(run / "checkpoints" / "step-00000009")


def test_lists_of_loggers() -> None:
    assert parse_loggers("tensorboard") == ("csv", "tensorboard")
    assert parse_loggers("wandb,csv,wandb") == ("csv", "wandb")
    with pytest.raises(ValueError, match=r"'tensorbord' is not a logger, wanted some of csv, tensorboard"):
        parse_loggers(["tensorbord"])


def test_tensorboard_has_each_figure_of_the_log_once_after_a_kill(config: FitConfig) -> None:
    fit(config)
    run = Path(config.run)
    lose_the_last_checkpoint(run)
    fit(dataclasses.replace(config, resume=config.run))
    events = EventAccumulator(str(run / "tensorboard")).Reload()
    tags = events.Tags()["tensors"]
    lines = read(run / "metrics.csv")
    for column, name in loggers.GROUPS.items():
        wanted = [(int(line["step"]), float(line[column])) for line in lines if line[column]]
        if column == "mfu":  # nobody knows the peak of this processor
            assert wanted == []
            assert name not in tags
            continue
        found = [(event.step, float(make_ndarray(event.tensor_proto))) for event in events.Tensors(name)]
        assert [step for step, _ in found] == [step for step, _ in wanted], name
        assert [value for _, value in found] == pytest.approx([value for _, value in wanted], rel=1e-6)
    (text,) = (tag for tag in tags if tag.startswith("samples/"))
    assert [event.step for event in events.Tensors(text)] == [0, 4, 8, 9]
    assert b"abc" in events.Tensors(text)[0].tensor_proto.string_val[0]


def test_what_earlier_columns_lack_is_added_to_a_log(config: FitConfig) -> None:
    fit(dotted(config, trainer={"max_steps": 4}))
    log = Path(config.run) / "metrics.csv"
    old = ["step", "tokens", "loss", "learning_rate", "gradient_norm", "tokens_per_second"]
    old += ["validation_loss", "perplexity", "bits_per_byte"]
    lines = [",".join(old), *(",".join(line[name] for name in old) for line in read(log))]
    log.write_text("\n".join(lines) + "\n")
    fit(dataclasses.replace(config, resume=config.run))
    found = read(log)
    assert [line["tflops"] != "" for line in found if line["loss"]] == [False] * 4 + [True] * 5
    assert [line["step"] for line in found if line["validation_loss"]] == ["0", "4", "8", "9"]
    assert None not in found[-1]


def test_a_logger_that_fails_costs_its_figures_and_not_the_run(
    config: FitConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(self: TensorBoard, record: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(TensorBoard, "log", fail)
    assert fit(config).name == "last"
    said = capsys.readouterr().err
    assert said.count("tensorboard has failed, and the run goes on without it: no space left on device") == 1
    assert len(read(Path(config.run) / "metrics.csv")) == 9 + 4


def test_a_failed_logger_is_left_alone() -> None:
    calls: list[str] = []

    class Broken:
        def log(self, record: object) -> None:
            calls.append("log")
            raise RuntimeError("gone")

        def text(self, step: int, prompt: str, continuation: str) -> None:
            calls.append("text")

        def close(self) -> None:
            calls.append("close")

    said: list[str] = []
    logger = Forgiven("wandb", Broken(), said.append)
    for _ in range(3):
        logger.log({})
    logger.close()
    assert calls == ["log"]
    assert said == ["--logger wandb has failed, and the run goes on without it: gone"]


def test_a_column_that_is_not_known_is_told_all_the_same() -> None:
    assert figures({"step": 3, "tokens": 9, "loss": None, "skipped_steps": 2}) == {
        "training/skipped_steps": 2
    }


@pytest.mark.parametrize("name", ["tensorboard", "wandb"])
def test_a_missing_package_is_refused_before_the_run(
    name: str,
    tokens: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(loggers, "find_spec", lambda package: None)
    words = ["fit", "--config", "demo", "--data.path", str(tokens), "--run", str(tmp_path / "run")]
    assert main([*words, "--logger", name]) == 2
    said = capsys.readouterr().err
    assert f"--logger {name} needs the package {name}, which is not installed" in said
    assert f"pip install {name}" in said
    assert not (tmp_path / "run").exists()


def test_a_logger_that_is_not_known_exits_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "--data.path", "x", "--logger", "csv,mlflow"]) == 2
    assert (
        "--logger: 'mlflow' is not a logger, wanted some of csv, tensorboard, wandb"
        in capsys.readouterr().err
    )


def wandb_environment(home: Path, **variables: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    paths = [str(Path(loggers.__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join(paths),
        "OMP_NUM_THREADS": "1",
        "HOME": str(home),
        "NETRC": str(home / "netrc"),
        "WANDB_ERROR_REPORTING": "false",
        **variables,
    }


def test_wandb_without_a_key_is_refused_before_the_run(tokens: Path, tmp_path: Path) -> None:
    words = ["fit", "--config", "demo", "--data.path", str(tokens), "--run", "run", "--logger", "wandb"]
    done = subprocess.run(
        [sys.executable, "-m", "trainer", *words],
        capture_output=True, text=True, cwd=tmp_path, env=wandb_environment(tmp_path), check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "Weights & Biases has no key to send with" in done.stderr
    assert "WANDB_MODE=offline" in done.stderr
    assert not (tmp_path / "run").exists()


def test_wandb_offline_keeps_each_figure_once_after_a_kill(config: FitConfig, tmp_path: Path) -> None:
    run = Path(config.run)
    words = [
        *["fit", "--data.path", config.data.path, "--run", config.run, "--logger", "wandb"],
        *["--model.hidden-size=32", "--model.intermediate-size=64", "--model.num-hidden-layers=2"],
        *["--model.num-attention-heads=4", "--trainer.accelerator=cpu", "--trainer.max-steps=9"],
        *["--trainer.log-every-n-steps=1", "--trainer.val-check-interval=4", "--checkpoint.keep=9"],
        *["--prompts", str(config.prompts)],
    ]
    for more in ([], ["--resume", config.run]):
        command = [sys.executable, "-m", "trainer", *(words[:1] + more if more else words)]
        environment = wandb_environment(tmp_path, WANDB_MODE="offline")
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        if not more:
            lose_the_last_checkpoint(run)
    files = sorted((run / "wandb").glob("offline-run-*/*.wandb"))
    assert len(files) == 2
    assert len({path.name for path in files}) == 1, "one run at W&B"
    found: Counter[tuple[int, str]] = Counter()
    configuration: set[str] = set()
    values = {}
    for path in files:
        for record in wandb_records(path):
            configuration |= {item.key for item in record.run.config.update}
            items = {"/".join(item.nested_key) or item.key: item.value_json for item in record.history.item}
            if "step" in items:
                # A text is a file with some facts beside it.
                names = {name.removesuffix("/path") for name in items if name.endswith("/path")}
                names |= {name for name in items if name in loggers.GROUPS.values()}
                found.update((int(items["step"]), name) for name in names)
                values.update({(int(items["step"]), name): value for name, value in items.items()})
    assert "trainer.max_steps" in configuration
    wanted = {
        (int(line["step"]), name)
        for line in read(run / "metrics.csv")
        for column, name in loggers.GROUPS.items()
        if line[column]
    }
    texts = {(step, "samples/abc") for step in (0, 4, 8, 9)}
    assert {key: count for key, count in found.items() if count > 1} == {}
    assert set(found) == wanted | texts
    for line in read(run / "metrics.csv"):
        if line["loss"]:
            assert float(values[int(line["step"]), "training/loss"]) == float(line["loss"])


def wandb_records(path: Path) -> Iterator[object]:
    """Read what W&B keeps offline: LevelDB's log format (7 bytes of head, blocks of 32 KiB) of protobufs."""
    from wandb.proto.wandb_internal_pb2 import Record

    data = path.read_bytes()
    at, parts = 7, b""
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        length, kind = struct.unpack_from("<HB", data, at + 4)
        parts += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last of its parts
            record = Record()
            record.ParseFromString(parts)
            parts = b""
            yield record
