"""The command line of the trainer; nothing heavy is imported before a command runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from prepcore.arguments import Command, Program
from trainer import __version__, commands
from trainer.config import ExportConfig, FitConfig, GenerateConfig, InitializeConfig, presets
from trainer.config.comparing import CompareConfig
from trainer.config.evaluating import EvaluateConfig
from trainer.config.judging import JudgeConfig
from trainer.config.planning import PlanConfig
from trainer.launch import end_with_parent

EXAMPLES = """
  python -m trainer plan --config demo --data.path tokens
  python -m trainer fit --config demo --data.path tokens
  python -m trainer fit --resume runs/demo --trainer.max-steps 2000
  python -m trainer generate runs/demo/checkpoints/last --prompt "Once upon a time"
  python -m trainer evaluate runs/demo/checkpoints/last --perplexity tokens
  python -m trainer compare runs/demo runs/other
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
            Command(
                "plan",
                "work out sizes, memory, hours and dollars of a run, without torch",
                lambda: PlanConfig,
                commands.plan,
                examples=PLAN_EXAMPLES,
                presets=presets,
            ),
            Command(
                "fit",
                "train a model",
                lambda: FitConfig,
                commands.fit,
                examples=FIT_EXAMPLES,
                presets=presets,
            ),
            Command(
                "init",
                "make a model folder without training",
                lambda: InitializeConfig,
                commands.init,
                examples=INIT_EXAMPLES,
            ),
            Command(
                "generate",
                "continue a text",
                lambda: GenerateConfig,
                commands.generate,
                examples=GENERATE_EXAMPLES,
            ),
            Command(
                "evaluate",
                "score checkpoints: tasks of lm-eval, perplexity, files of your own",
                lambda: EvaluateConfig,
                commands.evaluate,
                examples=EVALUATE_EXAMPLES,
            ),
            Command(
                "compare",
                "put runs and checkpoints side by side: losses, scores, texts, configuration",
                lambda: CompareConfig,
                commands.compare,
                examples=COMPARE_EXAMPLES,
            ),
            Command(
                "judge",
                "compare the answers of two checkpoints: a judge model, a server, or people",
                lambda: JudgeConfig,
                commands.judge,
                examples=JUDGE_EXAMPLES,
            ),
            Command(
                "export",
                "write a checkpoint to give away, with a model card",
                lambda: ExportConfig,
                commands.export,
                examples=EXPORT_EXAMPLES,
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
