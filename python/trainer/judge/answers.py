"""The answers of two checkpoints, kept so that nobody generates them again.

Torch is imported when they are made, and not before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from prepcore.arguments import UsageError
from trainer.evaluate.place import WEIGHTS
from trainer.evaluate.records import digest
from trainer.evaluate.sampling import Sampling
from trainer.judge.journal import append, read_journal, write_json
from trainer.tokenizer import TOKENIZER_FILES

if TYPE_CHECKING:
    from trainer.evaluate.subject import Subject

Side = Literal["a", "b"]
SIDES: tuple[Side, Side] = ("a", "b")


@dataclass(frozen=True)
class Answer:
    """An answer to a prompt.

    Attributes
    ----------
    text
        Without the prompt.
    tokens
        Its length.
    ended
        Whether the model or a stop text ended it, and not the limit.
    cut
        Tokens of the prompt that the model had no room for.
    made
        Number type and device.
    """

    text: str
    tokens: int
    ended: bool
    cut: int
    made: str


@dataclass(frozen=True)
class Answers:
    """The answers in a folder.

    Attributes
    ----------
    folder
        Where they are kept.
    settings
        What decides them, for JSON: the checkpoints by what is in them, and the sampling.
    """

    folder: Path
    settings: Mapping[str, Any]

    @property
    def about(self) -> Path:
        """The file with the settings of the answers that are there."""
        return self.folder / "answers.json"

    def path(self, side: Side) -> Path:
        """Return the file of the answers of a checkpoint."""
        return self.folder / f"answers-{side}.jsonl"

    def check(self) -> None:
        """Refuse a folder with answers that were made otherwise.

        Raises
        ------
        UsageError
            Naming what differs.
        """
        if self.folder.exists() and not self.folder.is_dir():
            raise UsageError(f"--out {self.folder} is not a folder")
        if not self.about.is_file():
            if any(self.path(side).exists() for side in SIDES):
                raise UsageError(
                    f"{self.folder} has answers, but no {self.about.name}", "choose another --out"
                )
            return
        try:
            there = json.loads(self.about.read_text(encoding="utf-8"))
        except ValueError:
            there = None
        if not isinstance(there, dict):
            raise UsageError(f"{self.about} is no JSON object", "choose another --out")
        for name, value in self.settings.items():
            if there.get(name) != value:
                what = (
                    f"of another checkpoint {name.upper()}"
                    if name in SIDES
                    else f"made with {name.replace('_', '-')} {there.get(name)}, not {value}"
                )
                raise UsageError(
                    f"{self.folder} has answers {what}", "choose another --out, or remove that folder"
                )

    def begin(self) -> None:
        """Make the folder and note the settings.

        Raises
        ------
        UsageError
            When it cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_json(self.about, self.settings)
        except OSError as error:
            raise UsageError(f"--out {self.folder} cannot be written: {error}", "choose another") from error

    def read(self, side: Side) -> dict[str, Answer]:
        """Return the answers of a checkpoint by prompt."""
        found = {}
        for record in read_journal(self.path(side)):
            try:
                prompt = record.pop("prompt")
                found[prompt] = Answer(**record)
            except (KeyError, TypeError) as error:
                raise UsageError(
                    f"{self.path(side)}: {record} is no answer", "choose another --out"
                ) from error
        return found

    def add(self, side: Side, prompt: str, answer: Answer) -> None:
        """Keep an answer."""
        append(self.path(side), {"prompt": prompt, **asdict(answer)})


def fingerprint(folder: Path) -> str:
    """Return a checksum of the weights, configuration and tokenizer of a model folder.

    ``checkpoints/last`` is another model tomorrow; its path says nothing. Training states and results beside
    the weights do not count.
    """
    whole = hashlib.sha256()
    names = {"config.json", "generation_config.json", *TOKENIZER_FILES}
    files = {folder / name for name in names}.union(*(folder.glob(pattern) for pattern in WEIGHTS))
    for path in sorted(files):
        if path.is_file():
            whole.update(f"{path.name} {digest(path)}\n".encode())
    return whole.hexdigest()


def checkpoint_name(folder: Path) -> str:
    """Return a name for a checkpoint: with that of its run where it is one of a run."""
    folder = folder.resolve()
    if folder.parent.name == "checkpoints":
        return f"{folder.parent.parent.name}-{folder.name}"
    return folder.name


def answer(
    subject: Subject, prompts: Sequence[str], sampling: Sampling, *, chat: bool
) -> Iterator[tuple[str, Answer]]:
    """Yield prompts and their answers as they are made, those of the longest prompts first.

    Parameters
    ----------
    subject
        The checkpoint.
    prompts
        To be answered.
    sampling
        How; the draws of a prompt depend on its text and the seed alone.
    chat
        Whether each prompt is put into the checkpoint's chat template.
    """
    from trainer.evaluate.continuation import continuations
    from trainer.generate import encode_prompt

    model, tokenizer = subject.model, subject.tokenizer
    if chat:
        ids = [
            tokenizer.encode(chat_text(subject, prompt), add_special_tokens=False).ids for prompt in prompts
        ]
    else:
        ids = [encode_prompt(tokenizer, prompt, model) for prompt in prompts]
    numbers = [int.from_bytes(hashlib.sha256(prompt.encode()).digest()[:4], "big") for prompt in prompts]
    made = f"{subject.dtype} on {subject.device}"
    for place, found in continuations(
        model, tokenizer, ids, sampling, batch_size=subject.batch_size, numbers=numbers
    ):
        yield prompts[place], Answer(found.text, found.tokens, found.ended, found.cut, made)


def chat_text(subject: Subject, text: str) -> str:
    """Put a text into a model's chat template as the user's turn, up to where its own turn begins."""
    written: str = subject.transformers_tokenizer.apply_chat_template(
        [{"role": "user", "content": text}],
        tokenize=False,
        add_generation_prompt=True,
        # What templates of models with a hidden monologue call it; others do not know it.
        enable_thinking=False,
    )
    return written


def has_chat_template(folder: Path) -> bool:
    """Say whether a model folder has a chat template."""
    if (folder / "chat_template.jinja").is_file() or (folder / "chat_template.json").is_file():
        return True
    try:
        stated = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(stated, dict) and bool(stated.get("chat_template"))
