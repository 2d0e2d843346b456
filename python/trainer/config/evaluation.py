"""The evaluations of a run while it trains."""

from __future__ import annotations

from dataclasses import dataclass

from prepcore.arguments import option, parse_list


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """What is evaluated of checkpoints while the run goes on, as ``python -m trainer evaluate`` does it."""

    every: int | None = option(
        None, "steps between evaluations, a multiple of those between checkpoints (none)", minimum=1
    )
    suite: str | None = option(None, "suite of tasks, such as h6")
    tasks: tuple[str, ...] = option((), "tasks of lm-eval", metavar="LIST", parse=parse_list)
    perplexity: tuple[str, ...] = option(
        (), "token folders and texts to measure perplexity on", metavar="LIST", parse=parse_list
    )
    data: str | None = option(None, "local copies of the tasks' data sets (the hub's)", metavar="DIR")
    limit: int | None = option(None, "documents of each task (all)", minimum=1)
    minutes: float = option(20.0, "an evaluation that takes longer is ended", minimum=0)

    def __post_init__(self) -> None:
        wanted = bool(self.suite or self.tasks or self.perplexity)
        if self.every is not None and not wanted:
            raise ValueError(
                f"evaluation.every is {self.every}, but there is nothing to evaluate: wanted "
                "evaluation.suite, evaluation.tasks or evaluation.perplexity"
            )
        if self.every is None and (wanted or self.data or self.limit):
            raise ValueError("evaluation.every is not given, wanted the steps between evaluations")

    def words(self) -> list[str]:
        """Return what follows ``python -m trainer evaluate CHECKPOINT --out FILE``."""
        given = {
            "--suite": self.suite,
            "--tasks": ",".join(self.tasks),
            "--perplexity": ",".join(self.perplexity),
            "--data": self.data,
            "--limit": self.limit,
        }
        return [word for name, value in given.items() if value for word in (name, str(value))]
