"""What ``python -m trainer evaluate`` may be told, and a run that evaluates while it trains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from prepcore.arguments import option, parse_list


def parse_text(value: Any) -> str:
    r"""Read ``\n`` and ``\t`` as line end and tab, which few shells have a way to write."""
    return str(value).replace("\\n", "\n").replace("\\t", "\t")


def parse_texts(value: Any) -> list[str]:
    """Read one text, or each of a list, as `parse_text`.

    Raises
    ------
    ValueError
        When one is empty.
    """
    texts = [parse_text(text) for text in (value if isinstance(value, list) else [value])]
    if not all(texts):
        raise ValueError("'' is in every text, wanted one of a character or more")
    return texts


CONTINUED = 256
COLUMN = "text"


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """Everything that ``python -m trainer evaluate`` may be told."""

    checkpoint: list[str] = option(
        help="checkpoints, or any Hugging Face folders of causal language models",
        metavar="CHECKPOINT…",
        positional=True,
    )
    suite: Literal["h6"] | None = option(
        None, "the six tasks of the first Open LLM Leaderboard and their mean", metavar="h6"
    )
    skip: list[str] = option(
        [], "tasks of the suite to leave out; it has no mean then", metavar="NAME,…", parse=parse_list
    )
    tasks: list[str] = option(
        [], "tasks of lm-eval; NAME@SHOTS for another number of examples", metavar="NAME,…", parse=parse_list
    )
    perplexity: list[str] = option(
        [], "token folders or text files to measure perplexity on", metavar="PATH,…", parse=parse_list
    )
    text_column: str = option(COLUMN, "column with the text in JSONL and Parquet", metavar="NAME")
    context: int | None = option(
        None, "tokens before and with the last one of a window of --perplexity (all the model takes)",
        minimum=1,
    )  # fmt: skip
    stride: int | None = option(
        None, "tokens that a window of --perplexity scores; fewer see more before them (all of a window)",
        minimum=1,
    )  # fmt: skip
    references: str | None = option(
        None, "prompts with references in JSON lines: BLEU, ROUGE, exact match", metavar="FILE"
    )
    max_new_tokens: int = option(CONTINUED, "tokens of a continuation for --references at most", minimum=1)
    stop: list[str] = option(
        [],
        "text that ends such a continuation; several may be given",
        metavar="TEXT",
        repeated=True,
        parse=parse_texts,
    )
    ignore_case: bool = option(False, "the exact match of --references ignores case")
    choices: str | None = option(
        None, "multiple-choice questions of your own in JSON lines or CSV", metavar="FILE"
    )
    template: str | None = option(
        None,
        "prompt of such a question, columns in braces: 'Question: {question}\\nAnswer:'",
        metavar="TEXT",
        parse=parse_text,
    )
    limit: int | None = option(None, "take only the first N documents of each; for trying out", minimum=1)
    data: str | None = option(None, "local copies of the tasks' sets, read without a network", metavar="DIR")
    out: str | None = option(
        None, "results file, or a folder of them (evaluation.json in each checkpoint)", metavar="PATH"
    )
    again: bool = option(False, "measure again what the results file has already")
    dtype: Literal["auto", "bf16", "fp16", "fp32"] = option(
        "auto", "number type of the weights; auto: bf16 on CUDA, else fp32"
    )
    bos: Literal["auto", "on", "off"] = option(
        "auto", "whether texts begin with the beginning token; auto: as the tokenizer does"
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = option("auto", "where to compute")
    batch_size: int = option(8, "texts scored at once", minimum=1)

    def __post_init__(self) -> None:
        if not (self.suite or self.tasks or self.perplexity or self.references or self.choices):
            raise ValueError(
                "there is nothing to measure: wanted --suite, --tasks, --perplexity, --references or "
                "--choices"
            )
        if (self.choices is None) != (self.template is None):
            raise ValueError("choices and template belong together: give both")
        if self.skip and not self.suite:
            raise ValueError("skip is given without suite: wanted --suite, of which it leaves out tasks")
        if self.data and not (self.suite or self.tasks):
            raise ValueError("data has no effect without suite or tasks")
        if not self.references and (self.stop or self.ignore_case or self.max_new_tokens != CONTINUED):
            raise ValueError("max-new-tokens, stop and ignore-case have no effect without references")
        if not self.perplexity and (self.context or self.stride or self.text_column != COLUMN):
            raise ValueError("text-column, context and stride have no effect without perplexity")
        if self.stride and self.context and self.stride > self.context:
            raise ValueError(f"stride is {self.stride}, wanted at most context, which is {self.context}")


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """What is evaluated of checkpoints while a run goes on, as ``python -m trainer evaluate`` does it."""

    every: int | None = option(
        None, "steps between evaluations, a multiple of those between checkpoints (none)", minimum=1
    )
    suite: Literal["h6"] | None = option(None, "the tasks of a suite, and their mean", metavar="h6")
    tasks: list[str] = option([], "tasks of lm-eval, NAME or NAME@SHOTS", metavar="NAME,…", parse=parse_list)
    perplexity: list[str] = option(
        [], "token folders or text files to measure perplexity on", metavar="PATH,…", parse=parse_list
    )
    data: str | None = option(None, "local copies of the tasks' sets, read without a network", metavar="DIR")
    limit: int | None = option(None, "take only the first N documents of each", minimum=1)
    minutes: float = option(20.0, "an evaluation that takes longer is ended", minimum=0.001)

    def __post_init__(self) -> None:
        wanted = bool(self.suite or self.tasks or self.perplexity)
        if self.every is not None and not wanted:
            raise ValueError(
                f"evaluation.every is {self.every}, but there is nothing to evaluate: wanted "
                "evaluation.suite, evaluation.tasks or evaluation.perplexity"
            )
        if self.every is None and (wanted or self.data or self.limit):
            raise ValueError("evaluation.every is not given, wanted the steps between evaluations")
        if self.data and not (self.suite or self.tasks):
            raise ValueError("evaluation.data has no effect without evaluation.suite or evaluation.tasks")

    def given(self) -> dict[str, Any]:
        """Return what `evaluate` is told besides the checkpoint and where its results go."""
        values = {name: getattr(self, name) for name in ("suite", "tasks", "perplexity", "data", "limit")}
        return {name: value for name, value in values.items() if value}
