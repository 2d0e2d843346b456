"""A server that speaks the OpenAI chat interface as the judge: ``POST URL/chat/completions``.

The key is read from the environment, goes into one header, and nowhere else: not into results, not into
messages, and to no other address, for redirects are not followed.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from prepcore.arguments import UsageError
from trainer.judge.verdict import ASK_REASONS, Instructions, JudgingError, Opinion, parse_verdict

BODY = {"temperature": 0, "max_tokens": 1024}
"""What each request says beside model and messages."""

BUSY = (408, 409, 425, 429)
"""Statuses after which the same request may succeed, as all from 500 on."""

UNANSWERABLE = (400, 413, 422)
"""Statuses that concern one request: too long, or filtered."""

LONGEST_PAUSE = 60.0
LARGEST_REPLY = 2**24


@dataclass(frozen=True)
class Reply:
    """What a server answered.

    Attributes
    ----------
    words
        The message.
    requests
        How often it was asked.
    details
        Tokens, and why the message ended where it is not complete.
    """

    words: str
    requests: int
    details: Mapping[str, Any]


class _BusyError(Exception):
    """Asking again may help."""

    def __init__(self, message: str, wait: float | None = None, *, reached: bool = True) -> None:
        super().__init__(message)
        self.wait = wait
        self.reached = reached


class _RefusedError(Exception):
    """Asking again will not help."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Makes an error of a redirect."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


@dataclass(frozen=True)
class ServerJudge:
    """A model behind an address.

    Attributes
    ----------
    url
        Up to ``/chat/completions``.
    model
        Its name there.
    instructions
        What it reads.
    key_variable
        Environment variable with the key; None: there is no key.
    body
        More of each request; None as a value leaves that out.
    threads
        Requests at once.
    timeout
        Seconds without a sign of life after which a request is given up.
    tries
        Of a request.
    pause
        Seconds before the first repetition; each time twice as long.
    """

    url: str
    model: str
    instructions: Instructions
    key_variable: str | None = None
    body: Mapping[str, Any] = field(default_factory=dict)
    threads: int = 4
    timeout: float = 120.0
    tries: int = 6
    pause: float = 1.0

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model

    @property
    def address(self) -> str:
        """Where requests go."""
        end = "/chat/completions"
        return self.url if self.url.endswith(end) else self.url + end

    def settings(self) -> Mapping[str, Any]:
        """Return what decides its opinions, for JSON."""
        return {
            "kind": "server",
            "url": self.url,
            "model": self.model,
            "body": self._merged(),
            "instructions": self.instructions.text + ASK_REASONS,
        }

    def check(self) -> None:
        """Ask for a word, which shows that address, model and key are right.

        Raises
        ------
        UsageError
            When the server is not there or refuses.
        """
        self._key()
        try:
            self._ask("Reply with the letter A.", at_once=True)
        except _RefusedError as error:
            hints = {
                401: "the key is named by --judge-key-env",
                403: "the key is named by --judge-key-env",
                404: "the address ends before /chat/completions, mostly in /v1; is --judge-model right?",
                400: "is --judge-model right? --judge-body changes what a request says",
            }
            raise UsageError(
                f"--judge-url {self.url} refuses: {error}", hints.get(error.status, "see the server's log")
            ) from error
        except JudgingError as error:
            raise UsageError(
                f"--judge-url {self.url} cannot be used: {error.__cause__}",
                "is the server running, and the address right?",
            ) from error

    def compare(self, prompt: str, first: str, second: str) -> Opinion:
        """Compare two answers to a prompt.

        Raises
        ------
        JudgingError
            When the server stays broken, or refuses for a reason that holds for all requests.
        """
        try:
            reply = self._ask(self.instructions.about(prompt, first, second) + ASK_REASONS)
        except _RefusedError as error:
            if error.status in UNANSWERABLE:
                return Opinion(None, f"refused: {error}")
            raise JudgingError(f"{self.url} refuses: {error}") from error
        return Opinion(parse_verdict(reply.words), reply.words, reply.requests, reply.details)

    def _ask(self, text: str, *, at_once: bool = False) -> Reply:
        """Send a message and return the reply, with repetitions.

        Parameters
        ----------
        text
            The user's turn.
        at_once
            Whether a server that is not there is not waited for.
        """
        request = {"model": self.model, "messages": [{"role": "user", "content": text}], **self._merged()}
        for number in range(1, self.tries + 1):
            try:
                words, details = self._post(json.dumps(request).encode())
            except _BusyError as error:
                if number == self.tries or (at_once and not error.reached):
                    times = "time" if number == 1 else "times"
                    raise JudgingError(f"{self.url} failed {number} {times}: {error}") from error
                # As long as the server says, or ever longer and never two alike.
                pause = self.pause * 2 ** (number - 1) * random.uniform(0.5, 1.0)
                time.sleep(min(pause if error.wait is None else error.wait, LONGEST_PAUSE))
            else:
                return Reply(words, number, details)
        raise AssertionError("tries is at least 1")

    def _post(self, data: bytes) -> tuple[str, dict[str, Any]]:
        """Send one request."""
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if key := self._key():
            headers["Authorization"] = f"Bearer {key}"
        request = urllib.request.Request(self.address, data, headers, method="POST")
        opener = urllib.request.build_opener(_NoRedirects)
        try:
            with opener.open(request, timeout=self.timeout) as response:
                return _message(response.read(LARGEST_REPLY))
        except urllib.error.HTTPError as error:
            with error:
                said = self._without_key(f"status {error.code} {error.reason}{_words_of(error)}")
                if error.code >= 500 or error.code in BUSY:
                    raise _BusyError(said, _seconds(error.headers.get("Retry-After"))) from None
                raise _RefusedError(error.code, said) from None
        except TimeoutError:
            raise _BusyError(f"no answer within {self.timeout:g} s") from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, TimeoutError):
                raise _BusyError(f"no connection within {self.timeout:g} s", reached=False) from None
            raise _BusyError(self._without_key(str(reason) or type(reason).__name__), reached=False) from None

    def _merged(self) -> dict[str, Any]:
        return {name: value for name, value in {**BODY, **self.body}.items() if value is not None}

    def _key(self) -> str | None:
        if self.key_variable is None:
            return None
        key = os.environ.get(self.key_variable, "").strip()
        if not key:
            raise UsageError(
                f"--judge-key-env: the environment has no {self.key_variable}", "export it first"
            )
        if not key.isascii() or not key.isprintable():
            raise UsageError(f"--judge-key-env: {self.key_variable} holds characters that no key has")
        return key

    def _without_key(self, text: str) -> str:
        key = self._key()
        return text.replace(key, "…") if key else text


def _message(data: bytes) -> tuple[str, dict[str, Any]]:
    """Take the message and what it cost out of a reply."""
    try:
        reply = json.loads(data)
        choice = reply["choices"][0]
        words = choice["message"].get("content") or ""
        usage = reply.get("usage") or {}
    except (ValueError, LookupError, TypeError, AttributeError):
        raise _BusyError(f"no reply of the OpenAI chat interface: {data[:100]!r}") from None
    if not isinstance(words, str):
        raise _BusyError(f"no text in the reply: {data[:100]!r}")
    details = {
        name: usage[name]
        for name in ("prompt_tokens", "completion_tokens")
        if isinstance(usage, dict) and isinstance(usage.get(name), int)
    }
    if choice.get("finish_reason") not in (None, "stop"):
        details["finish_reason"] = str(choice["finish_reason"])
    return words, details


def _words_of(error: urllib.error.HTTPError) -> str:
    """Return the beginning of what a server says of an error."""
    try:
        text = error.read(4096).decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return ""
    try:
        stated = json.loads(text)["error"]
        text = stated["message"] if isinstance(stated, dict) else str(stated)
    except (ValueError, LookupError, TypeError):
        pass
    text = " ".join(str(text).split())[:300]
    return f": {text}" if text else ""


def _seconds(stated: str | None) -> float | None:
    """Read ``Retry-After`` in seconds; a date is not followed."""
    return float(stated) if stated and stated.strip().isdigit() else None
