"""What a judge said, kept line by line, and asking it for what is missing."""

from __future__ import annotations

import hashlib
import json
import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from trainer.judge.answers import Answer
from trainer.judge.journal import append, read_journal
from trainer.judge.statistics import Compared
from trainer.judge.verdict import Judge, Opinion

Order = Literal["ab", "ba"]
ORDERS: tuple[Order, Order] = ("ab", "ba")


@dataclass(frozen=True)
class Pair:
    """A prompt with both answers.

    Attributes
    ----------
    prompt
        What was answered.
    a, b
        The answers.
    """

    prompt: str
    a: str
    b: str

    @classmethod
    def all(cls, prompts: Sequence[str], a: Mapping[str, Answer], b: Mapping[str, Answer]) -> list[Pair]:
        """Pair the answers to prompts."""
        return [cls(prompt, a[prompt].text, b[prompt].text) for prompt in prompts]

    @property
    def identical(self) -> bool:
        """Whether the answers are the same but for white space at both ends."""
        return self.a.strip() == self.b.strip()

    @property
    def digest(self) -> str:
        """A checksum of prompt and answers: a judgment is of these."""
        whole = json.dumps([self.prompt, self.a, self.b])
        return hashlib.sha256(whole.encode()).hexdigest()[:16]

    def shown(self, order: Order) -> tuple[str, str]:
        """Return the answers as a judge sees them."""
        return (self.a, self.b) if order == "ab" else (self.b, self.a)


@dataclass(frozen=True)
class Task:
    """One comparison that a judge is asked for."""

    pair: Pair
    order: Order


@dataclass(frozen=True)
class Judgments:
    """The judgments in a file, of one judge; others have theirs in the same file.

    Attributes
    ----------
    path
        JSON lines.
    settings
        Of the judge.
    """

    path: Path
    settings: Mapping[str, Any]

    @property
    def judge(self) -> str:
        """What tells judges apart: another model or other instructions make another judge."""
        return hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()[:12]

    def read(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Return the lines of this judge by the pair's checksum and the order."""
        return {
            (str(line.get("pair")), str(line.get("order"))): line
            for line in read_journal(self.path)
            if line.get("judge") == self.judge
        }

    def missing(self, pairs: Sequence[Pair]) -> list[Task]:
        """List what the judge has not said yet; of answers that are the same, nothing has to be said."""
        there = self.read()
        return [
            Task(pair, order)
            for pair in pairs
            for order in ORDERS
            if not pair.identical and (pair.digest, order) not in there
        ]

    def add(self, task: Task, opinion: Opinion) -> None:
        """Keep an opinion."""
        append(
            self.path,
            {
                "judge": self.judge,
                "pair": task.pair.digest,
                "order": task.order,
                "verdict": opinion.verdict,
                "prompt": task.pair.prompt,
                "words": opinion.words,
                "requests": opinion.requests,
                **opinion.details,
            },
        )

    def compared(self, pairs: Sequence[Pair]) -> list[Compared]:
        """Return what was said of each pair."""
        there = self.read()
        return [
            Compared(
                verdicts=()
                if pair.identical
                else tuple((order, there[pair.digest, order]["verdict"]) for order in ORDERS),
                lengths=(len(pair.a), len(pair.b)),
                identical=pair.identical,
            )
            for pair in pairs
        ]

    def spent(self, pairs: Sequence[Pair]) -> dict[str, int]:
        """Add up requests and tokens of these pairs, and list what came to no verdict."""
        there = self.read()
        lines = [there[pair.digest, order] for pair in pairs if not pair.identical for order in ORDERS]
        names = ("requests", "prompt_tokens", "completion_tokens")
        return {
            "opinions": len(lines),
            **{name: sum(int(line.get(name, 0)) for line in lines) for name in names},
        }

    def without_verdict(self, pairs: Sequence[Pair]) -> list[dict[str, Any]]:
        """Return the lines that hold no verdict."""
        there = self.read()
        lines = [there[pair.digest, order] for pair in pairs if not pair.identical for order in ORDERS]
        return [line for line in lines if line["verdict"] is None]


def ask(judge: Judge, tasks: Sequence[Task]) -> Iterator[tuple[Task, Opinion]]:
    """Yield opinions as they come, several asked for at once where the judge can.

    Threads end with the process and not before it: an interruption does not wait for a server.

    Raises
    ------
    JudgingError
        The first that a judge raises.
    """
    if judge.threads == 1:
        for task in tasks:
            yield task, judge.compare(task.pair.prompt, *task.pair.shown(task.order))
        return
    waiting: queue.SimpleQueue[Task] = queue.SimpleQueue()
    for task in tasks:
        waiting.put(task)
    done: queue.SimpleQueue[tuple[Task, Opinion | BaseException]] = queue.SimpleQueue()
    stopped = threading.Event()

    def work() -> None:
        while not stopped.is_set():
            try:
                task = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((task, judge.compare(task.pair.prompt, *task.pair.shown(task.order))))
            except BaseException as error:
                done.put((task, error))

    for _ in range(min(judge.threads, len(tasks))):
        threading.Thread(target=work, daemon=True).start()
    try:
        for _ in tasks:
            task, result = done.get()
            if isinstance(result, BaseException):
                raise result
            yield task, result
    finally:
        stopped.set()
