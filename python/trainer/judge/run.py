"""``python -m trainer judge``: answers of two checkpoints, a judge, and what it comes to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from prepcore.arguments import UsageError
from trainer import __version__
from trainer.config.judging import JudgeConfig
from trainer.evaluate.place import check_checkpoint, free_memory, resolve_device
from trainer.evaluate.sampling import Sampling
from trainer.judge.answers import (
    SIDES,
    Answers,
    Side,
    answer,
    checkpoint_name,
    fingerprint,
    has_chat_template,
)
from trainer.judge.journal import write_json
from trainer.judge.judgments import Judgments, Pair, ask
from trainer.judge.local import LocalJudge
from trainer.judge.progress import Progress
from trainer.judge.prompts import read_prompts
from trainer.judge.server import ServerJudge
from trainer.judge.sheet import Key, key_path, read_sheet, write_sheet
from trainer.judge.statistics import count
from trainer.judge.verdict import Instructions, Judge

RESULT = "result.json"
FORMAT = "trainer.judging"


@dataclass(frozen=True)
class Comparison:
    """Two checkpoints, prompts and a judge.

    Attributes
    ----------
    config
        What was asked for.
    prompts
        Each once.
    repeated
        Prompts that stood in the file again.
    """

    config: JudgeConfig
    prompts: Sequence[str]
    repeated: int

    @classmethod
    def open(cls, config: JudgeConfig) -> Comparison:
        """Find mistakes before the seconds that importing torch takes, and before anything is generated.

        Raises
        ------
        UsageError
            When a checkpoint, the prompts, the folder of an earlier comparison or the judge are not as they
            should be.
        """
        for folder in map(Path, config.checkpoints):
            check_checkpoint(folder)
            if config.chat and not has_chat_template(folder):
                raise UsageError(f"chat is on, but {folder} has no chat template", "leave --chat out")
        first, second = (Path(folder).resolve() for folder in config.checkpoints)
        if first == second:
            raise UsageError(f"A and B are both {first}", "wanted two checkpoints")
        comparison = cls(config, *read_prompts(Path(config.prompts or ""), config.limit))
        for folder in (first, second):
            comparison.sampling.check_folder(folder)
        comparison.answers.check()
        for path in (Path(config.human), key_path(Path(config.human))) if config.human else ():
            if path.exists():
                raise UsageError(f"--human: {path} is there already", "remove it, or give another name")
        judge = comparison.judge
        if judge is not None and (comparison.unanswered or comparison.judgments.missing(comparison.pairs)):
            judge.check()
        return comparison

    @cached_property
    def names(self) -> dict[Side, str]:
        """What the checkpoints are called."""
        return {
            side: checkpoint_name(Path(folder))
            for side, folder in zip(SIDES, self.config.checkpoints, strict=True)
        }

    @cached_property
    def out(self) -> Path:
        """The folder of answers and judgments."""
        return Path(self.config.out or f"judgments/{self.names['a']}-vs-{self.names['b']}")

    @cached_property
    def answers(self) -> Answers:
        """The answers that are there."""
        config = self.config
        checkpoints: dict[str, str] = {
            side: fingerprint(Path(folder)) for side, folder in zip(SIDES, config.checkpoints, strict=True)
        }
        how = {**self.sampling.settings(), "chat": config.chat, "dtype": config.dtype}
        return Answers(self.out, {**checkpoints, **how})

    @property
    def sampling(self) -> Sampling:
        """How prompts are answered."""
        config = self.config
        return Sampling(
            max_new_tokens=config.max_new_tokens,
            temperature=config.temperature,
            seed=config.seed,
            stop=tuple(config.stop),
        )

    @cached_property
    def judge(self) -> Judge | None:
        """Who judges; None for people."""
        config = self.config
        instructions = Instructions.of(config.criteria, config.instructions)
        if config.judge is not None:
            return LocalJudge(Path(config.judge), instructions, config.dtype, config.device)
        if config.judge_url is None or config.judge_model is None:
            return None
        return ServerJudge(
            config.judge_url,
            config.judge_model,
            instructions,
            key_variable=config.judge_key_env,
            body=config.judge_body or {},
            threads=config.judge_threads,
            timeout=config.judge_timeout,
            tries=config.judge_tries,
        )

    @property
    def judgments(self) -> Judgments:
        """What the judge has said."""
        assert self.judge is not None
        return Judgments(self.out / "judgments.jsonl", self.judge.settings())

    @property
    def unanswered(self) -> dict[Side, list[str]]:
        """The prompts without an answer, of the checkpoints that have any."""
        missing = {}
        for side in SIDES:
            there = self.answers.read(side)
            missing[side] = [prompt for prompt in self.prompts if prompt not in there]
        return {side: prompts for side, prompts in missing.items() if prompts}

    @property
    def pairs(self) -> list[Pair]:
        """The answers side by side; all must be there."""
        return Pair.all(self.prompts, *(self.answers.read(side) for side in SIDES))

    def about(self) -> dict[str, Any]:
        """Return what results say of the answers."""
        found: dict[str, Any] = {
            "prompt_file": {"name": Path(self.config.prompts or "").name, "repeated": self.repeated}
        }
        for side in SIDES:
            there = self.answers.read(side)
            answers = [there[prompt] for prompt in self.prompts]
            found[side] = {
                "checkpoint": self.names[side],
                "sha256": self.answers.settings[side],
                "mean_tokens": sum(one.tokens for one in answers) / len(answers),
                "at_limit": sum(not one.ended for one in answers),
                "cut_prompts": sum(one.cut > 0 for one in answers),
                "made": sorted({one.made for one in answers}),
            }
        found["sampling"] = {
            name: value for name, value in self.answers.settings.items() if name not in SIDES
        }
        return found

    def generate(self) -> None:
        """Make the answers that are missing, and keep each batch as it comes.

        Raises
        ------
        UsageError
            As `trainer.evaluate.continuation.continuations`.
        """
        missing = self.unanswered
        if not missing:
            return
        from trainer.evaluate.subject import Subject

        config = self.config
        device, dtype = resolve_device(config.device, config.dtype)
        self.answers.begin()
        for side, prompts in missing.items():
            folder = Path(config.checkpoints[SIDES.index(side)])
            subject = Subject(folder, dtype, device, batch_size=config.batch_size)
            progress = Progress(f"answers of {side.upper()}, {self.names[side]}", len(prompts))
            for prompt, found in answer(subject, prompts, self.sampling, chat=config.chat):
                self.answers.add(side, prompt, found)
                progress.step()
            del subject
            free_memory()

    def compare(self) -> dict[str, Any]:
        """Ask the judge for what it has not said yet, and return the result, which is written too.

        Raises
        ------
        JudgingError
            When the judge cannot go on.
        """
        judge, judgments, pairs = self.judge, self.judgments, self.pairs
        assert judge is not None
        tasks = judgments.missing(pairs)
        progress = Progress(f"judgments of {judge.name}", len(tasks))
        for task, opinion in ask(judge, tasks):
            judgments.add(task, opinion)
            progress.step()
        counts = count(judgments.compared(pairs))
        failed = judgments.without_verdict(pairs)
        result = {
            "judge": {"name": judge.name, **judgments.settings},
            **counts,
            "spent": judgments.spent(pairs),
            "without_verdict": [
                {"prompt": line["prompt"], "order": line["order"], "words": line["words"]} for line in failed
            ],
            "finished": now(),
        }
        return self._keep(judgments.judge, result)

    def write_sheet(self) -> Path:
        """Write the sheet for people."""
        path = Path(self.config.human or "")
        names: dict[str, str] = {side: self.names[side] for side in SIDES}
        try:
            write_sheet(path, self.pairs, names, self.about(), seed=self.config.seed)
        except OSError as error:
            raise UsageError(f"--human {path} cannot be written: {error}", "choose another place") from error
        return path

    def _keep(self, judge: str, result: dict[str, Any]) -> dict[str, Any]:
        """Write the result of a judge beside those of others, and return it with what it is about."""
        path = self.out / RESULT
        judges = {}
        if path.is_file():
            before = json.loads(path.read_text(encoding="utf-8"))
            judges = before.get("judges", {})
        head = header(self.about())
        write_json(path, {**head, "judges": {**judges, judge: result}})
        return {**head, **result}


def read_back(config: JudgeConfig) -> dict[str, Any]:
    """Return the result of a sheet that people have filled in; it is written beside the sheet, too.

    Raises
    ------
    UsageError
        As :func:`trainer.judge.sheet.read_sheet`; when nothing is filled in.
    """
    path = Path(config.human_read or "")
    if not path.is_file():
        raise UsageError(f"--human-read: there is no {path}", "wanted the sheet that --human wrote")
    key = Key.read(Path(config.human_key) if config.human_key else key_path(path))
    compared, empty = read_sheet(path, key)
    if not compared:
        raise UsageError(f"{path} has no verdict yet", "write 1, 2 or tie into the last column")
    result = {
        **header(key.about),
        "judge": {"name": f"people, {path.name}", "kind": "human", "sheet": path.name},
        **count(compared),
        "empty": empty,
        "finished": now(),
    }
    write_json(path.with_name(f"{path.stem}.{RESULT}"), result)
    return result


def header(about: Mapping[str, Any]) -> dict[str, Any]:
    """Return what each result begins with."""
    return {"format": FORMAT, "version": 1, "trainer": __version__, **about}


def now() -> str:
    """Return the time, as results have it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
