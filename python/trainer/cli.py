"""The command line of the trainer; nothing heavy is imported before a command runs."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from prepcore.arguments import Command, Program, UsageError
from prepcore.arguments.program import Terminated
from trainer import __version__
from trainer.config import ExportConfig, FitConfig, GenerateConfig, InitializeConfig, presets
from trainer.config.comparing import CompareConfig
from trainer.config.evaluating import EvaluateConfig
from trainer.config.judging import JudgeConfig
from trainer.config.planning import PlanConfig
from trainer.launch import end_with_parent, launch
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

EXAMPLES = """
  python -m trainer plan --config demo --data.path tokens
  python -m trainer fit --config demo --data.path tokens
  python -m trainer fit --resume runs/demo --trainer.max-steps 2000
  python -m trainer generate runs/demo/checkpoints/last --prompt "Once upon a time"
  python -m trainer evaluate runs/demo/checkpoints/last --perplexity tokens
"""

FIT_EXAMPLES = """
  a preset:   python -m trainer fit --config tinysolar-248m --data.path tokens --run runs/first
  continue:   python -m trainer fit --resume runs/first --trainer.max-tokens 2000000000
  deepen:     python -m trainer fit --data.path tokens --run runs/deep --model.init.strategy upscale
                --model.init.source runs/first/checkpoints/last --model.init.layers 16
"""

INIT_EXAMPLES = """
  shallower:  python -m trainer init --out DIR --model.init.strategy downscale
                --model.init.source SOURCE --model.init.layers 10
  deeper:     python -m trainer init --out DIR --model.init.strategy upscale
                --model.init.source SOURCE --model.init.layers 16
  by influence:  python -m trainer init --out DIR --tokens TOKENS --model.init.strategy downscale
                --model.init.source SOURCE --model.init.layers 10 --model.init.keep block-influence
  more tokens:  python -m trainer init --out DIR --tokenizer LARGER --model.init.strategy continue
                --model.init.source SOURCE --model.init.vocabulary extend
"""

PLAN_EXAMPLES = """
  a preset:    python -m trainer plan --config tinysolar-248m --data.path tokens --gpu h100
  eight GPUs:  python -m trainer plan --config tinysolar-308m-up --gpu h200 --trainer.devices 8
                 --trainer.strategy fsdp --page plan.html
  a budget:    python -m trainer plan --config tinysolar-248m --budget '$500'
"""

GENERATE_EXAMPLES = """
  python -m trainer generate runs/demo/checkpoints/last --prompt "Return the" --temperature 0.7
"""


EXPORT_EXAMPLES = """
  python -m trainer export runs/demo/checkpoints/last --out demo-bf16 --license apache-2.0
"""

COMPARE_EXAMPLES = """
  runs:        python -m trainer compare runs/first runs/second
  equal time:  python -m trainer compare runs/* --axis hours --page compared.html
  checkpoints: python -m trainer compare small=runs/small/checkpoints/best large=runs/large/checkpoints/best
                 --prompts prompts.txt --temperature 0
"""


EVALUATE_EXAMPLES = """
  the leaderboard: python -m trainer evaluate runs/demo/checkpoints/last --suite h6
  local files:     python -m trainer evaluate MODEL --tasks hellaswag@0,arc_easy --data DIR --limit 100
  held-out text:   python -m trainer evaluate MODEL OTHER --perplexity tokens,essays.jsonl
"""

JUDGE_EXAMPLES = """
  a local judge:  python -m trainer judge OLD NEW --prompts prompts.txt --judge JUDGE_MODEL
  a server:       python -m trainer judge OLD NEW --prompts prompts.txt --judge-model gpt-5-mini
                    --judge-url https://api.openai.com/v1 --judge-key-env OPENAI_API_KEY
  people:         python -m trainer judge OLD NEW --prompts prompts.txt --human sheet.csv
                  python -m trainer judge --human-read sheet.csv
"""


def main(words: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    end_with_parent()
    return program().main(resumed(sys.argv[1:] if words is None else words))


def program() -> Program:
    """Describe the commands."""
    return Program(
        name="python -m trainer",
        summary="Train Llama models on token folders made by `prepcore pack`.",
        version=lambda: __version__,
        commands=[
            Command("fit", "train a model", lambda: FitConfig, _fit, examples=FIT_EXAMPLES, presets=presets),
            Command(
                "plan",
                "work out sizes, memory, hours and dollars of a run, without torch",
                lambda: PlanConfig,
                _plan,
                examples=PLAN_EXAMPLES,
                presets=presets,
            ),
            Command(
                "init",
                "make a model folder without training",
                lambda: InitializeConfig,
                _init,
                examples=INIT_EXAMPLES,
            ),
            Command(
                "generate", "continue a text", lambda: GenerateConfig, _generate, examples=GENERATE_EXAMPLES
            ),
            Command(
                "evaluate",
                "score checkpoints: tasks of lm-eval, perplexity, files of your own",
                lambda: EvaluateConfig,
                _evaluate,
                examples=EVALUATE_EXAMPLES,
            ),
            Command(
                "judge",
                "compare the answers of two checkpoints: a judge model, a server, or people",
                lambda: JudgeConfig,
                _judge,
                examples=JUDGE_EXAMPLES,
            ),
            Command(
                "export",
                "write a checkpoint to give away, with a model card",
                lambda: ExportConfig,
                _export,
                examples=EXPORT_EXAMPLES,
            ),
            Command(
                "compare",
                "put runs and checkpoints side by side: losses, scores, texts, configuration",
                lambda: CompareConfig,
                _compare,
                examples=COMPARE_EXAMPLES,
            ),
        ],
        examples=EXAMPLES,
    )


def resumed(words: Sequence[str]) -> list[str]:
    """Put the configuration of the run that ``--resume RUN`` names before all other options.

    A run that continues is configured as it was, and what the command line says besides wins over that.
    """
    words = list(words)
    for index, word in enumerate(words):
        run = word.removeprefix("--resume=") if word.startswith("--resume=") else None
        if word == "--resume" and index + 1 < len(words):
            run = words[index + 1]
        configuration = Path(run) / "config.yaml" if run else None
        if configuration is not None and configuration.is_file():
            return [*words[:1], "--config", str(configuration), *words[1:]]
    return words


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
def _fit(config: FitConfig) -> int:
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


def _plan(config: PlanConfig) -> int:
    from trainer.plan.command import run

    return run(config)


@needs_training_packages
def _init(config: InitializeConfig) -> int:
    from trainer.init import check

    check(config)
    prepare_threads()
    quiet_transformers()
    from trainer.init import init

    print(init(config))  # noqa: T201
    return 0


@needs_training_packages
def _generate(config: GenerateConfig) -> int:
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
def _evaluate(config: EvaluateConfig) -> int:
    if config.data:
        from trainer.evaluate.local import forbid_network

        forbid_network()
    from trainer.evaluate.run import check, evaluate

    work = check(config)
    prepare_threads()
    quiet_transformers()
    return evaluate(config, work)


@needs_training_packages
def _judge(config: JudgeConfig) -> int:
    from trainer.judge.command import prepare, run

    comparison = prepare(config)
    if comparison is not None:
        prepare_threads()
        quiet_transformers()
    return run(config, comparison)


@needs_training_packages
def _export(config: ExportConfig) -> int:
    from trainer.export import check, export

    check(config)
    prepare_threads()
    quiet_transformers()
    print(export(config))  # noqa: T201
    return 0


@needs_training_packages
def _compare(config: CompareConfig) -> int:
    if config.prompts is not None:
        prepare_threads()
        quiet_transformers()
    from trainer.compare.command import run

    return run(config)
