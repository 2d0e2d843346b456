"""What is to be measured: from options to measures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from prepcore.arguments import UsageError
from trainer.config.evaluating import EvaluateConfig, EvaluationConfig
from trainer.evaluate.choices import Choices
from trainer.evaluate.harness import LmEvalTask, named_tasks, suite_tasks
from trainer.evaluate.local import LocalData
from trainer.evaluate.measure import Measure
from trainer.evaluate.perplexity import Perplexity
from trainer.evaluate.references import References
from trainer.evaluate.sampling import Sampling
from trainer.evaluate.suites import SUITES


def check_all(measures: Sequence[Measure]) -> None:
    """Check every measure, so that all that is missing is told of at once.

    Raises
    ------
    UsageError
        With a line for each measure that cannot be made.
    """
    errors = []
    for measure in measures:
        try:
            measure.check()
        except UsageError as error:
            errors.append(error)
    if errors:
        hints = dict.fromkeys(error.hint for error in errors if error.hint)
        raise UsageError("\n".join(error.message for error in errors), "; ".join(hints)) from errors[0]


def measures_of(config: EvaluateConfig, checkpoints: Sequence[Path]) -> list[Measure]:
    """Return what a configuration asks for, each once.

    Raises
    ------
    UsageError
        When a name is not known.
    """
    data = LocalData(Path(config.data)) if config.data else None
    found: list[Measure] = [
        *_of_suite(config, data),
        *named_tasks(config.tasks, limit=config.limit, data=data),
        *_perplexities(config, checkpoints),
        *_own_tasks(config, checkpoints),
    ]
    unique: dict[str, Measure] = {}
    for measure in found:
        other = unique.setdefault(measure.name, measure)
        if isinstance(measure, Perplexity) and other is not measure:
            raise UsageError(
                f"two paths of --perplexity would be {measure.name}", "give one to another --out"
            )
    return list(unique.values())


def _of_suite(config: EvaluateConfig, data: LocalData | None) -> list[LmEvalTask]:
    """Return the tasks of the suite, without those to leave out."""
    if config.suite is None:
        return []
    suite = SUITES[config.suite]
    known = {word for task in suite.tasks for word in (task.task, task.name)}
    for word in config.skip:
        if word not in known:
            raise UsageError(
                f"skip: {word!r} is no task of {suite.name}",
                f"wanted one of {', '.join(task.task for task in suite.tasks)}",
            )
    kept = [task for task in suite.tasks if not {task.task, task.name} & set(config.skip)]
    return suite_tasks(kept, limit=config.limit, data=data)


def _perplexities(config: EvaluateConfig, checkpoints: Sequence[Path]) -> list[Perplexity]:
    """Return a measure for each path, called by its last part, or by two where that is another's, too."""
    paths = list(dict.fromkeys(Path(word) for word in config.perplexity))
    shared = Counter(path.resolve().name for path in paths)
    return [
        Perplexity(
            path=path,
            label="/".join(path.resolve().parts[-1 if shared[path.resolve().name] == 1 else -2 :]),
            column=config.text_column,
            context=config.context,
            stride=config.stride,
            limit=config.limit,
            checkpoints=tuple(checkpoints),
        )
        for path in paths
    ]


def _own_tasks(config: EvaluateConfig, checkpoints: Sequence[Path]) -> Iterator[References | Choices]:
    """List the measures of the user's own files."""
    if config.references:
        yield References(
            path=Path(config.references),
            sampling=Sampling(max_new_tokens=config.max_new_tokens, stop=tuple(config.stop)),
            ignore_case=config.ignore_case,
            limit=config.limit,
            checkpoints=tuple(checkpoints),
        )
    if config.choices and config.template:
        yield Choices(path=Path(config.choices), template=config.template, limit=config.limit)


def check_evaluations(settings: EvaluationConfig, tokenizer: Path | None) -> None:
    """Refuse evaluations of a run that cannot be made, before it begins.

    Parameters
    ----------
    settings
        What the run is to evaluate.
    tokenizer
        Folder of the tokenizer that its checkpoints will have.

    Raises
    ------
    UsageError
        As `check` would, of such a checkpoint.
    """
    if settings.every is None:
        return
    if tokenizer is None:
        raise UsageError(
            "evaluation.every needs a tokenizer, and the rows of the data have none",
            "give --data.tokenizer DIR",
        )
    for measure in measures_of(EvaluateConfig(checkpoint=[], **settings.given()), [tokenizer]):
        measure.check()
