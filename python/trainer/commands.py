"""What the commands do: find mistakes, prepare the process, then import what is heavy and run it."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from prepcore.arguments import UsageError
from prepcore.arguments.program import Terminated
from trainer.config import ExportConfig, FitConfig, GenerateConfig, InitializeConfig
from trainer.config.comparing import CompareConfig
from trainer.config.evaluating import EvaluateConfig
from trainer.config.judging import JudgeConfig
from trainer.config.planning import PlanConfig
from trainer.launch import launch
from trainer.process import keep_freed_memory, prepare_threads, quiet_lightning, quiet_transformers
from trainer.processes import Place, starts_processes

Config = TypeVar("Config")

# What the extra `train` installs, by the names under which it is imported.
TRAINING_PACKAGES = {
    "matplotlib",
    "numpy",
    "pytorch_lightning",
    "safetensors",
    "tokenizers",
    "torch",
    "transformers",
}

# Likewise of the extra `eval`.
EVALUATION_PACKAGES = {"accelerate", "datasets", "evaluate", "lm_eval", "rouge_score", "sacrebleu"}

# C0 and C1 control characters but line feed and tab, shown as the replacement character.
CONTROLS = {code: "\ufffd" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}


def needs_training_packages(run: Callable[[Config], int]) -> Callable[[Config], int]:
    """Say how to install what the extras ``train`` and ``eval`` bring where a command misses it."""

    @functools.wraps(run)
    def checked(config: Config) -> int:
        try:
            return run(config)
        except ModuleNotFoundError as error:
            name = (error.name or "").partition(".")[0]
            if name not in TRAINING_PACKAGES | EVALUATION_PACKAGES:
                raise
            hint = "install the extra `train`, in a clone with: pip install '.[train]'"
            if name in EVALUATION_PACKAGES:
                hint = "install the extra `eval`, in a clone with: pip install '.[train,eval]'"
            raise UsageError(f"the package {name} is not installed", hint) from error

    return checked


@needs_training_packages
def fit(config: FitConfig) -> int:
    """Train, here or in processes started for it; print where the last checkpoint lies."""
    place = Place.of_environment()
    if place.first:  # the others would see what it has begun; they fail with it
        _check(config)
    if starts_processes(config.trainer):
        return launch(config)
    prepare_threads()
    keep_freed_memory()
    quiet_transformers()
    quiet_lightning()
    from trainer.fit import fit

    if place.first:
        print(fit(config))  # noqa: T201 - the answer: where the model lies
        return 0
    return _silently(lambda: fit(config))


def _silently(run: Callable[[], object]) -> int:
    """Run what the first process does, too, and leave it to that to tell of a stop or an error of all."""
    try:
        run()
    except KeyboardInterrupt:
        return 130
    except Terminated:
        return 143
    except Exception as error:
        code = getattr(error, "exit_code", None)
        if not isinstance(code, int):
            raise
        return code
    return 0


def _check(config: FitConfig) -> None:
    """Find mistakes before the seconds that importing torch takes."""
    from trainer.evaluate.wanted import check_evaluations
    from trainer.initialize.source import check_source
    from trainer.loggers import check_loggers
    from trainer.resolve import open_folder, resolve, schedule_of
    from trainer.run_folder import RunFolder

    check_loggers(config.logger)
    # The folder of the run first: converting data may take long.
    if config.resume:
        RunFolder(Path(config.resume)).check_resumable(config)
    else:
        RunFolder(Path(config.run)).check_new()
    folder = open_folder(config, lambda line: print(line, file=sys.stderr, flush=True))  # noqa: T201
    numbers = resolve(config, folder)
    schedule_of(config, numbers)
    check_evaluations(config.evaluation, folder.tokenizer)
    if not config.resume:
        check_source(config.model, folder=folder, length=numbers.length)


def plan(config: PlanConfig) -> int:
    """Print what a run would be."""
    from trainer.plan.command import run

    return run(config)


@needs_training_packages
def init(config: InitializeConfig) -> int:
    """Make a model folder; print where it lies."""
    from trainer.init import check

    check(config)
    prepare_threads()
    quiet_transformers()
    from trainer.init import init

    print(init(config))  # noqa: T201
    return 0


@needs_training_packages
def generate(config: GenerateConfig) -> int:
    """Print a continuation as it is made."""
    prepare_threads()
    quiet_transformers()
    from trainer.generate import generate

    to_terminal = sys.stdout.isatty()
    for piece in generate(config):
        # A model can write control sequences, and an untrained one will: no terminal should obey them.
        sys.stdout.write(piece.translate(CONTROLS) if to_terminal else piece)
        sys.stdout.flush()
    sys.stdout.write("\n")
    return 0


@needs_training_packages
def evaluate(config: EvaluateConfig) -> int:
    """Score checkpoints, print the scores and keep them."""
    if config.data:
        from trainer.evaluate.local import forbid_network

        forbid_network()
    from trainer.evaluate.run import check, evaluate

    work = check(config)
    prepare_threads()
    quiet_transformers()
    return evaluate(config, work)


@needs_training_packages
def judge(config: JudgeConfig) -> int:
    """Compare the answers of two checkpoints and print who won."""
    from trainer.judge.command import prepare, run

    comparison = prepare(config)
    if comparison is not None:
        prepare_threads()
        quiet_transformers()
    return run(config, comparison)


@needs_training_packages
def export(config: ExportConfig) -> int:
    """Write a folder to give away; print where it lies."""
    from trainer.export import check, export

    check(config)
    prepare_threads()
    quiet_transformers()
    print(export(config))  # noqa: T201
    return 0


@needs_training_packages
def compare(config: CompareConfig) -> int:
    """Print runs and checkpoints side by side, and write the page."""
    if config.prompts is not None:
        prepare_threads()
        quiet_transformers()
    from trainer.compare.command import run

    return run(config)
