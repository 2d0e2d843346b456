"""A server that speaks the OpenAI chat interface, as far as tests want it to."""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Scripted:
    """What a script gives back instead of words."""

    def __init__(self, status: int, text: str = "", **headers: str) -> None:
        self.status, self.text = status, text
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


Script = Callable[[str, int], str | Scripted]
"""From the user's message and the number of the request, from 1, to the reply."""


class ChatServer:
    """What was asked of a server that runs in this process."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()
        self.url = ""

    @property
    def asked(self) -> list[str]:
        """The comparisons it was asked for, without the first word that is exchanged."""
        texts = [body["messages"][-1]["content"] for body in self.bodies]
        return [text for text in texts if "<answer_a>" in text]


@contextlib.contextmanager
def serving(script: Script) -> Iterator[ChatServer]:
    """Run a server on this machine until the block ends."""
    state = ChatServer(script)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with state.lock:
                state.bodies.append(body)
                state.headers.append(dict(self.headers))
                state.paths.append(self.path)
                number = len(state.bodies)
                state.at_once += 1
                state.most_at_once = max(state.most_at_once, state.at_once)
            try:
                reply = state.script(body["messages"][-1]["content"], number)
            finally:
                with state.lock:
                    state.at_once -= 1
            if isinstance(reply, str):
                content = {
                    "choices": [
                        {"message": {"role": "assistant", "content": reply}, "finish_reason": "stop"}
                    ],
                    "usage": {"prompt_tokens": 100, "completion_tokens": 7},
                }
                reply = Scripted(200, json.dumps(content))
            data = reply.text.encode()
            with contextlib.suppress(OSError):  # who asked may have gone away
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()


def answers_in(text: str) -> tuple[str, str]:
    """Take the two answers out of what a judge is asked."""
    first = re.search(r"<answer_a>\n(.*?)\n</answer_a>", text, re.DOTALL)
    second = re.search(r"<answer_b>\n(.*?)\n</answer_b>", text, re.DOTALL)
    assert first
    assert second
    return first[1], second[1]


def prefer(quality: Callable[[str], float]) -> Script:
    """Judge by a quality of answers, whatever the order."""

    def script(text: str, _: int) -> str:
        if "<answer_a>" not in text:
            return "A"
        first, second = map(quality, answers_in(text))
        letter = "C" if first == second else "A" if first > second else "B"
        return f"Answer A has {first}, answer B has {second}.\n\n[[{letter}]]"

    return script
