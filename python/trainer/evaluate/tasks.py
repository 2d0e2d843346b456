"""The tasks that lm-eval knows, looked up by name without torch."""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from prepcore.arguments import UsageError

if TYPE_CHECKING:
    from lm_eval.tasks import TaskManager


@dataclass(frozen=True)
class Leaf:
    """One task of its own, as its file describes it.

    Attributes
    ----------
    name
        In lm-eval.
    config
        Its keys and values, functions as text; nearly empty for a task that is a Python class.
    """

    name: str
    config: Mapping[str, Any]

    @property
    def own_shots(self) -> int | None:
        """Few-shot examples that the file asks for; None where it leaves that open."""
        shots = self.config.get("num_fewshot")
        return None if shots is None else int(shots)

    @property
    def dataset(self) -> tuple[str, str | None] | None:
        """The set and its configuration; None where the file does not say."""
        path = self.config.get("dataset_path")
        return (str(path), self.config.get("dataset_name")) if path else None

    @property
    def scored_split(self) -> str | None:
        """The split whose documents are scored, by lm-eval's own rule."""
        return self.config.get("test_split") or self.config.get("validation_split")

    @property
    def shots_split(self) -> str | None:
        """The split that few-shot examples come from, by lm-eval's own rule; None: the file has them."""
        few = self.config.get("fewshot_config") or {}
        stated = self.config.get("fewshot_split") or few.get("split")
        if stated or few.get("samples"):
            return stated
        names = ("training_split", "validation_split", "test_split")
        return next((self.config[name] for name in names if self.config.get(name)), None)


@functools.cache
def task_manager() -> TaskManager:
    """Return lm-eval's index of tasks: five seconds of reading 14,000 small files, without torch."""
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    from lm_eval.tasks import TaskManager

    return TaskManager()


def parse_task(word: str) -> tuple[str, int | None]:
    """Split ``hellaswag@10`` into the task and the few-shot examples in a prompt.

    Raises
    ------
    UsageError
        When what stands behind the last ``@`` is no whole number.
    """
    name, has_shots, shots = word.rpartition("@")
    if not has_shots:
        return word, None
    if not name or not re.fullmatch(r"\d{1,4}", shots):
        raise UsageError(f"tasks: {word!r} is not NAME or NAME@SHOTS", "for example hellaswag@10")
    return name, int(shots)


def expand(name: str) -> list[str]:
    """Return the tasks that a name stands for: those of a tag, or the task or group itself.

    Raises
    ------
    UsageError
        When lm-eval knows no such name, naming those like it; when it is a group without a score of its own.
    """
    manager = task_manager()
    entry = manager.task_index.get(name)
    if entry is None:
        like = get_close_matches(name, manager.all_tasks, n=3, cutoff=0.6)
        raise UsageError(
            f"lm-eval knows no task {name!r}",
            f"did you mean {' or '.join(like)}?" if like else "`lm-eval ls tasks` lists them",
        )
    if name in manager.all_tags:
        return sorted(entry.tags)
    config = entry.cfg or {}
    if name in manager.all_groups and not config.get("aggregate_metric_list"):
        members = [item if isinstance(item, str) else item.get("task") or item.get("group") for item in
                   config.get("task") or []]  # fmt: skip
        raise UsageError(
            f"the group {name} of lm-eval has no score of its own",
            f"give what you want of it: {', '.join(map(str, members))}",
        )
    return [name]


def leaves(name: str, overrides: Mapping[str, Any] | None = None) -> Iterator[Leaf]:
    """List the tasks of a group, or the task itself, with what groups change of them."""
    manager = task_manager()
    entry = manager.task_index.get(name)
    changed = {key: value for key, value in (overrides or {}).items() if key not in ("task", "group")}
    if entry is None:  # a task that a group describes in place
        yield Leaf(name, changed)
    elif name in manager.all_tags:
        for member in sorted(entry.tags):
            yield from leaves(member, changed)
    elif name in manager.all_groups:
        for item in (entry.cfg or {}).get("task") or []:
            member = item if isinstance(item, str) else item.get("group") or item.get("task")
            yield from leaves(str(member), changed if isinstance(item, str) else {**changed, **item})
    else:
        yield Leaf(name, {**(entry.cfg or {}), **changed})
