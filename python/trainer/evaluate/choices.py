"""A user's own multiple-choice questions, scored by which choice the model finds likeliest.

A file of JSON lines or CSV. The choices are a list in the column ``choices`` (in CSV a JSON list), or stand
in columns ``A``, ``B``, ``C`` and so on; ``answer`` is the number of the right one from 0, its letter, or its
text. A template makes the prompt of the other columns. Scores are those of lm-eval's multiple-choice tasks.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from string import Formatter, ascii_uppercase
from typing import TYPE_CHECKING, Any

from prepcore.arguments import UsageError
from trainer.evaluate.measure import Outcome
from trainer.evaluate.records import Record, as_text, digest, read_records
from trainer.evaluate.references import mean

if TYPE_CHECKING:
    from trainer.evaluate.subject import Subject

DELIMITER = " "
"""What stands between a prompt and a choice, as in lm-eval's tasks unless they say otherwise."""


@dataclass(frozen=True)
class Question:
    """A question.

    Attributes
    ----------
    prompt
        The template, filled in.
    choices
        At least two, none of them empty.
    answer
        Number of the right one.
    """

    prompt: str
    choices: tuple[str, ...]
    answer: int

    @classmethod
    def of(cls, record: Record, template: str) -> Question:
        """Read one from a record.

        Raises
        ------
        UsageError
            Naming the line.
        """
        choices = _choices(record)
        if len(choices) < 2 or not all(choices):
            raise UsageError(
                f"{record.place} has {len([*filter(None, choices)])} choices, wanted two or more"
            )
        prompt = fill(template, record)
        if not prompt.strip():
            raise UsageError(f"{record.place}: the prompt is empty", "a --template may hold text of its own")
        return cls(prompt, choices, _answer(record, choices))


@dataclass(frozen=True, kw_only=True)
class Choices:
    """Scores the likelihoods of answers.

    Attributes
    ----------
    path
        The file.
    template
        Text in which ``{column}`` stands for a column.
    limit
        Only so many of the first questions, or None for all.
    """

    path: Path
    template: str
    limit: int | None = None

    @property
    def name(self) -> str:
        """What it is called in results."""
        return f"choices:{self.path.name}"

    def settings(self) -> Mapping[str, Any]:
        """Return what decides the outcome, the content of the file included."""
        return {
            "file": self.path.name,
            "sha256": digest(self.path),
            "template": self.template,
            "delimiter": DELIMITER,
            "limit": self.limit,
            "lm_eval": version("lm_eval"),
        }

    def check(self) -> None:
        """Read the file and look for the package.

        Raises
        ------
        UsageError
            When the template or a line is not as it should be, or lm-eval is not there.
        """
        from importlib.util import find_spec

        if find_spec("lm_eval") is None:
            raise UsageError(
                "--choices needs the package lm-eval",
                "install the extra `eval`, in a clone with: pip install '.[eval]'",
            )
        _ = self.questions

    @cached_property
    def questions(self) -> Sequence[Question]:
        """The questions."""
        check_template(self.template)
        records = read_records(self.path, "choices")
        return [Question.of(record, self.template) for record in records][: self.limit]

    def run(self, subject: Subject) -> Outcome:
        """Score every choice of every question."""
        likelihoods = self.log_likelihoods(subject)
        by_characters = [[len(choice) for choice in question.choices] for question in self.questions]
        by_bytes = [[len(choice.encode()) for choice in question.choices] for question in self.questions]
        alone = [[1] * len(question.choices) for question in self.questions]
        scores = {
            metric: mean(
                [
                    float(best([value / length for value, length in zip(values, of, strict=True)]) == wanted)
                    for values, of, wanted in zip(
                        likelihoods, lengths, (question.answer for question in self.questions), strict=True
                    )
                ]
            )
            for metric, lengths in (("acc", alone), ("acc_norm", by_characters), ("acc_bytes", by_bytes))
        }
        return Outcome(
            scores=scores,
            main="acc_norm",
            documents=len(self.questions),
            details={
                "acc_norm": "log-likelihood a character of the choice, as lm-eval has it",
                "acc_bytes": "log-likelihood a byte of the choice",
                "chance": math.fsum(1 / len(question.choices) for question in self.questions)
                / len(self.questions),
            },
        )

    def log_likelihoods(self, subject: Subject) -> list[list[float]]:
        """Return the log-likelihood of each choice of each question, in nats."""
        from lm_eval.api.instance import Instance

        from trainer.evaluate.harness import language_model

        model = language_model(subject)
        requests = [
            Instance("loglikelihood", {}, (question.prompt, DELIMITER + choice), index)
            for question in self.questions
            for index, choice in enumerate(question.choices)
        ]
        found = iter(model.loglikelihood(requests, disable_tqdm=True))
        return [[float(next(found)[0]) for _ in question.choices] for question in self.questions]


def best(values: Sequence[float]) -> int:
    """Return the place of the largest value, the first of several, as numpy has it."""
    return max(range(len(values)), key=values.__getitem__)


def check_template(template: str) -> None:
    """Refuse a template with anything but text and columns in braces.

    Raises
    ------
    UsageError
        Saying what was found.
    """
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise UsageError(f"--template: {error}", "write {{ and }} for braces in the text") from error
    if all(name is None for _, name, _, _ in parts):
        raise UsageError(
            f"--template {template!r} names no column",
            "wanted the names of columns in braces, such as 'Question: {question}\\nAnswer:'",
        )
    for _, name, form, conversion in parts:
        if name == "" or form or conversion:
            raise UsageError(
                f"--template {template!r} has braces that hold no name of a column alone",
                "write {{ and }} for braces in the text",
            )


def fill(template: str, record: Record) -> str:
    """Put the columns of a record into a template.

    Raises
    ------
    UsageError
        When a column is not there or is not text.
    """
    pieces = []
    for literal, name, _, _ in Formatter().parse(template):
        pieces.append(literal)
        if name is not None:
            if name not in record.values:
                there = ", ".join(map(str, record.values))
                raise UsageError(
                    f"{record.place}: there is no {name!r}, which --template names", f"there are {there}"
                )
            pieces.append(record.text(name))
    return "".join(pieces)


def _choices(record: Record) -> tuple[str, ...]:
    """Return the choices of a record, from one column or several."""
    if "choices" not in record.values:
        letters = [letter for letter in ascii_uppercase if letter in record.values]
        if len(letters) < 2 or letters != list(ascii_uppercase[: len(letters)]):
            raise UsageError(
                f"{record.place} has no choices",
                "wanted a list in the column choices, or columns A, B, C and so on",
            )
        texts = [as_text(record.values[letter], record.place, letter) for letter in letters]
        while texts and not texts[-1]:
            texts.pop()
        return tuple(texts)
    listed = record.values["choices"]
    if isinstance(listed, str):
        try:
            listed = json.loads(listed)
        except ValueError as error:
            raise UsageError(
                f"{record.place}: choices is {listed[:60]!r}, wanted a JSON list such as {['yes', 'no']}"
            ) from error
    if not isinstance(listed, list):
        raise UsageError(f"{record.place}: choices is {str(listed)[:60]}, wanted a list")
    return tuple(as_text(choice, record.place, "choices") for choice in listed)


def _answer(record: Record, choices: Sequence[str]) -> int:
    """Return the number of the right choice: a number in JSON, else a text, a number or a letter."""
    if "answer" not in record.values:
        raise UsageError(f"{record.place} has no answer", "wanted a number from 0, a letter, or a choice")
    stated = record.values["answer"]
    number = stated if isinstance(stated, int) and not isinstance(stated, bool) else None
    if isinstance(stated, str):
        word = stated.strip()
        if stated in choices or word in choices:
            number = choices.index(stated if stated in choices else word)
        elif word.isascii() and word.isdigit():
            number = int(word)
        elif len(word) == 1 and word.upper() in ascii_uppercase:
            number = ascii_uppercase.index(word.upper())
    if number is None or not 0 <= number < len(choices):
        raise UsageError(
            f"{record.place}: answer is {stated!r}, wanted a number from 0 to {len(choices) - 1}, a letter "
            f"from A to {ascii_uppercase[min(len(choices), 26) - 1]}, or one of the choices"
        )
    return number
