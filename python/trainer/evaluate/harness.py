"""Tasks of lm-eval: its own code makes the prompts, scores them and counts."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import signal
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prepcore.arguments import UsageError
from trainer.evaluate.local import LocalData
from trainer.evaluate.measure import Outcome, Score
from trainer.evaluate.suites import SuiteTask
from trainer.evaluate.tasks import Leaf, expand, leaves, parse_task, task_manager

if TYPE_CHECKING:
    from lm_eval.models.huggingface import HFLM

    from trainer.evaluate.subject import Subject

SEEDS = {"random": 0, "numpy": 1234, "torch": 1234, "fewshot": 1234}
"""lm-eval's own defaults."""

PREFERRED = ("acc_norm", "acc", "exact_match", "exact_match,strict-match", "f1", "perplexity")
"""Which metric stands for a task where no suite says so: the first of these that it has."""


@dataclass(frozen=True, kw_only=True)
class LmEvalTask:
    """One task of lm-eval, or a group that has a score of its own.

    Attributes
    ----------
    task
        Its name in lm-eval.
    shots
        Few-shot examples in a prompt; None where each task of a group has its own number, or a task that is
        a Python class decides.
    limit
        Documents to take from the beginning of each task; None: all.
    data
        Where its sets lie; None: on the Hugging Face hub, or in the cache of what came from there.
    main
        The metric that stands for it; None: the first of `PREFERRED`.
    """

    task: str
    shots: int | None = None
    limit: int | None = None
    data: LocalData | None = None
    main: str | None = None

    @property
    def name(self) -> str:
        """``hellaswag@10``."""
        return self.task if self.shots is None else f"{self.task}@{self.shots}"

    @cached_property
    def leaves(self) -> list[Leaf]:
        """The tasks of a group, or the task itself."""
        return list(leaves(self.task))

    def settings(self) -> Mapping[str, Any]:
        """Return what decides its outcome; local files are known by their sizes."""
        return {
            "task": self.task,
            "shots": self.shots,
            "limit": self.limit,
            "data": "hub" if self.data is None else self.data.files(self.leaves),
            "lm_eval": version("lm_eval"),
            "seeds": SEEDS,
        }

    def check(self) -> None:
        """Find mistakes before torch is imported.

        Raises
        ------
        UsageError
            When shots are asked of a task that has a fixed prompt, or a local file is missing.
        """
        fixed = [leaf.name for leaf in self.leaves if leaf.own_shots == 0]
        if self.shots and fixed:
            raise UsageError(
                f"{self.name}: the prompt of {fixed[0]} is fixed at 0 shots in lm-eval", f"give {self.task}@0"
            )
        if self.data is not None:
            self.data.check(self.name, self.leaves, self.shots)

    def run(self, subject: Subject) -> Outcome:
        """Score an open checkpoint."""
        return self.outcome(self.evaluate(subject))

    def evaluate(self, subject: Subject, *, samples: bool = False) -> dict[str, Any]:
        """Return what lm-eval itself returns: ``results``, ``versions``, ``samples`` where asked for.

        Raises
        ------
        UsageError
            When the set cannot be read, the tokenizer names neither a beginning nor an end token, or an
            answer is longer than what the model reads.
        """
        _quiet()
        _end_children_by_signal()
        import numpy as np
        import torch
        from lm_eval.evaluator import evaluate

        random.seed(SEEDS["random"])
        np.random.seed(SEEDS["numpy"])
        torch.manual_seed(SEEDS["torch"])
        few = [leaf.own_shots if self.shots is None else self.shots for leaf in self.leaves]
        local = self.data.in_place_of_the_hub(spare=not any(few)) if self.data else contextlib.nullcontext()
        with local:
            loaded = self._load()
            for task in loaded["tasks"].values():
                shots = task.get_config("num_fewshot") if self.shots is None else self.shots
                task.set_config(key="num_fewshot", value=shots or 0)
                task.set_fewshot_seed(seed=SEEDS["fewshot"])
            model = language_model(subject)
            try:
                with _bars():
                    found = evaluate(lm=model, task_dict=loaded, limit=self.limit, log_samples=samples)
            except AssertionError as error:
                # lm-eval cuts prompts, and asserts that what it scores is no longer than a context.
                if "max_length" not in (traceback.extract_tb(error.__traceback__)[-1].line or ""):
                    raise
                raise UsageError(
                    f"an answer of {self.name} is longer than the {model.max_length:,} tokens that the model "
                    "reads at once",
                    "such a task needs a model of longer texts",
                ) from error
        return dict(found)

    def _load(self) -> dict[str, Any]:
        """Have lm-eval make the task, which reads its sets."""
        try:
            return dict(task_manager().load(self.task))
        except (ConnectionError, FileNotFoundError) as error:
            raise UsageError(
                f"the sets of {self.task} cannot be read: {error}",
                "give local copies of them with --data DIR",
            ) from error

    def outcome(self, found: Mapping[str, Any]) -> Outcome:
        """Take the figures of this task, or group, out of what lm-eval returned."""
        values = found["results"][self.task]
        scores = {}
        for key, value in values.items():
            metric, comma, kept = key.partition(",")
            if comma and not metric.endswith("_stderr") and isinstance(value, int | float):
                error = values.get(f"{metric}_stderr,{kept}")
                known = error if isinstance(error, int | float) and error == error else None
                scores[metric if kept == "none" else key] = Score(float(value), known)
        main = self.main or next(name for name in (*PREFERRED, *scores) if name in scores)
        higher = found["higher_is_better"].get(self.task) or {}
        counts = {name: int(count["effective"]) for name, count in found["n-samples"].items()}
        details: dict[str, Any] = {"shots": self.shots}
        if self.task not in counts:
            details["tasks"] = {
                leaf: {"documents": counts[leaf], "version": found["versions"].get(leaf)} | _plain(scored)
                for leaf, scored in found["results"].items()
                if leaf in counts
            }
        stated = found["versions"].get(self.task)
        return Outcome(
            scores=scores,
            main=main,
            higher_is_better=bool(higher.get(main.partition(",")[0], True)),
            documents=sum(counts.values()),
            version=None if stated is None else str(stated),
            details=details,
        )


def language_model(subject: Subject) -> HFLM:
    """Return an open checkpoint as lm-eval knows models.

    Raises
    ------
    UsageError
        When the tokenizer names neither a beginning nor an end token.
    """
    _quiet()
    from lm_eval.models.huggingface import HFLM

    model = HFLM(
        pretrained=subject.model,
        # As a folder, so that lm-eval opens it as it does by itself.
        tokenizer=str(subject.folder),
        add_bos_token=subject.bos,
        batch_size=subject.batch_size,
    )
    if model.tokenizer.bos_token_id is None and model.tokenizer.eos_token_id is None:
        raise UsageError(
            f"the tokenizer in {subject.folder} names no beginning or end token, which lm-eval needs",
            "state bos_token or eos_token in its tokenizer_config.json",
        )
    return model


def suite_tasks(tasks: Sequence[SuiteTask], *, limit: int | None, data: LocalData | None) -> list[LmEvalTask]:
    """Return the measures of a suite."""
    return [
        LmEvalTask(task=task.task, shots=task.shots, limit=limit, data=data, main=task.metric)
        for task in tasks
    ]


def named_tasks(words: Sequence[str], *, limit: int | None, data: LocalData | None) -> list[LmEvalTask]:
    """Return the measures of ``NAME`` and ``NAME@SHOTS``, a tag as each of its tasks.

    Raises
    ------
    UsageError
        When lm-eval does not know a name, or it has no score of its own.
    """
    found = []
    for word in words:
        name, shots = parse_task(word)
        for task in expand(name):
            made = LmEvalTask(task=task, shots=shots, limit=limit, data=data)
            if shots is None and all("class" not in leaf.config for leaf in made.leaves):
                own = {leaf.own_shots or 0 for leaf in made.leaves}
                made = replace(made, shots=own.pop() if len(own) == 1 else None)
            found.append(made)
    return found


def _plain(scored: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the figures of a task, by metric."""
    return {
        key.removesuffix(",none"): value
        for key, value in scored.items()
        if "," in key and isinstance(value, int | float)
    }


@contextlib.contextmanager
def _bars() -> Iterator[None]:
    """Keep what lm-eval prints off standard output; its bars are for terminals alone."""
    if sys.stderr.isatty():
        with contextlib.redirect_stdout(sys.stderr):
            yield
        return
    with (
        Path(os.devnull).open("w") as nothing,
        contextlib.redirect_stdout(nothing),
        contextlib.redirect_stderr(nothing),
    ):
        yield


@cache
def _end_children_by_signal() -> None:
    """Let SIGTERM end the processes that lm-eval forks to draw samples, as its pool of them expects.

    They would inherit the handler of this program, which is run when Python gets to it: of a process that
    begins to wait at that moment, never, and then the pool waits for it forever. A signal that comes in the
    midst of a fork is held back until the process has the handler it should have.
    """

    def hold() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    def release() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    def release_child() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        release()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=hold, after_in_parent=release, after_in_child=release_child)


def _quiet() -> None:
    """Keep lm-eval and `datasets` to their errors, without a bar for each file."""
    import datasets

    datasets.disable_progress_bars()
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
