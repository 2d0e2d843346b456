"""What ``python -m trainer judge`` may be told."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from prepcore.arguments import option
from trainer.config.evaluating import parse_texts


def parse_url(value: Any) -> str:
    """Check the address of a server.

    Raises
    ------
    ValueError
        When it is no plain address: one with a password in it would end up in the results.
    """
    text = str(value).strip().rstrip("/")
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{text!r} is not an address such as http://127.0.0.1:8000/v1")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("wanted host and path alone: a key is given by --judge-key-env")
    return text


def parse_body(value: Any) -> dict[str, Any]:
    """Convert a JSON object.

    Raises
    ------
    ValueError
        When it is none.
    """
    try:
        body = value if isinstance(value, dict) else json.loads(str(value))
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ValueError(f"""{str(value)!r} is not a JSON object such as '{{"max_tokens": 2000}}'""")
    return body


@dataclass(frozen=True, kw_only=True)
class JudgeConfig:
    """Everything that ``python -m trainer judge`` may be told."""

    checkpoints: list[str] = option(
        [], "the two checkpoints, or any Hugging Face folders", metavar="A B", positional=True
    )
    prompts: str | None = option(
        None, "text file, a prompt a line, or JSON lines or CSV with `prompt`", metavar="FILE"
    )
    out: str | None = option(
        None, "folder of answers and judgments; continued where it has some (judgments/A-vs-B)", metavar="DIR"
    )
    limit: int | None = option(None, "only so many of the first prompts", minimum=1)

    judge: str | None = option(None, "folder of a model that judges", metavar="DIR")
    judge_url: str | None = option(
        None, "server with the OpenAI chat interface that judges", metavar="URL", parse=parse_url
    )
    judge_model: str | None = option(None, "the model's name on that server", metavar="NAME")
    judge_key_env: str | None = option(
        None, "environment variable with the server's key, such as OPENAI_API_KEY", metavar="NAME"
    )
    judge_body: dict[str, Any] | None = option(
        None, "more of each request, as a JSON object; null leaves out", metavar="JSON", parse=parse_body
    )
    judge_threads: int = option(4, "requests at once", minimum=1, maximum=256)
    judge_timeout: float = option(120.0, "seconds that one request may take", minimum=0.1)
    judge_tries: int = option(
        6, "tries of a request when the server is busy or broken, with growing pauses", minimum=1
    )
    criteria: str | None = option(None, "what makes an answer better, in a phrase")
    instructions: str | None = option(
        None, "the judge's whole prompt, with {prompt}, {answer_a} and {answer_b}", metavar="FILE"
    )

    human: str | None = option(None, "write a blinded sheet for people to fill in", metavar="CSV")
    human_read: str | None = option(None, "read a sheet back, filled in or in part", metavar="CSV")
    human_key: str | None = option(
        None, "key of the sheet that is read (the sheet's name with .key.json)", metavar="FILE"
    )

    max_new_tokens: int = option(256, "an answer's tokens at most", minimum=1)
    temperature: float = option(0.0, "of the answers; 0 takes the likeliest token", minimum=0)
    stop: list[str] = option(
        [],
        "text that ends an answer; several may be given",
        metavar="TEXT",
        repeated=True,
        parse=parse_texts,
    )
    chat: bool = option(False, "put prompts into the checkpoints' own chat templates")
    seed: int = option(0, "seed of sampled answers and of the sheet's order", minimum=0)
    dtype: Literal["auto", "bf16", "fp16", "fp32"] = option(
        "auto", "number type of the weights; auto: bf16 on a GPU, fp32 elsewhere"
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = option("auto", "where models run")
    batch_size: int = option(8, "prompts continued at once", minimum=1)
    json: bool = option(False, "print the result as JSON")

    def __post_init__(self) -> None:
        ways = {
            "judge": self.judge,
            "judge-url": self.judge_url,
            "human": self.human,
            "human-read": self.human_read,
        }
        given = [name for name, value in ways.items() if value is not None]
        if len(given) != 1:
            said = f"{' and '.join(given)} are given" if given else "nobody judges"
            raise ValueError(f"{said}, wanted one of --judge, --judge-url, --human and --human-read")
        if self.human_read is not None:
            if self.checkpoints:
                raise ValueError("human-read takes no checkpoints: the sheet's key names them")
            if self.prompts is not None or self.out is not None:
                name = "out" if self.prompts is None else "prompts"
                raise ValueError(f"{name} has no effect with human-read: the sheet and its key are all")
        elif len(self.checkpoints) != 2:
            raise ValueError(f"{len(self.checkpoints)} checkpoints are given, wanted two: A and B")
        elif self.prompts is None:
            raise ValueError("--prompts must be given")
        if self.human_key is not None and self.human_read is None:
            raise ValueError("human-key has no effect without human-read")
        if (self.judge_model is None) != (self.judge_url is None):
            raise ValueError("judge-url and judge-model belong together: give both")
        for name, needless in (("judge-key-env", self.judge_key_env), ("judge-body", self.judge_body)):
            if needless is not None and self.judge_url is None:
                raise ValueError(f"{name} has no effect without judge-url")
        if self.criteria is not None and self.instructions is not None:
            raise ValueError("criteria and instructions are given, wanted one: instructions are the whole")
        for name, text in (("criteria", self.criteria), ("instructions", self.instructions)):
            if text is not None and self.judge is None and self.judge_url is None:
                raise ValueError(f"{name} has no effect without judge or judge-url")
