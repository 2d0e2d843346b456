"""A server as the judge: what it may do wrong, what it must not be told, and going on after a stop."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from prepcore.arguments import UsageError
from tests.trainer.chat_server import Scripted, answers_in, prefer, serving
from tests.trainer.test_cli import environment, here, trainer
from tests.trainer.test_judge import model_folder
from trainer.judge.journal import read_journal
from trainer.judge.judgments import Pair, Task, ask
from trainer.judge.server import ServerJudge
from trainer.judge.verdict import Instructions, JudgingError

PROMPTS = ["What is it", "Tell me", "One day", "Why so", "A b c", "To be or", "No, but", "Is it"]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(("old", "new")):
        model_folder(root / name, seed)
    (root / "prompts.txt").write_text("\n".join(PROMPTS) + "\n")
    return root


def words(models: Path, out: Path, url: str, *more: str) -> list[str]:
    return [
        *("judge", str(models / "old"), str(models / "new"), "--prompts", str(models / "prompts.txt")),
        *("--out", str(out), "--max-new-tokens", "12", "--temperature", "0.8", "--device", "cpu"),
        *("--judge-url", url, "--judge-model", "wise", *more),
    ]


def spaces(text: str) -> float:
    return text.count("a") + text.count("e")


def result_of(out: Path) -> dict[str, object]:
    [kept] = json.loads((out / "result.json").read_text())["judges"].values()
    return dict(kept)


def test_each_prompt_is_judged_in_both_orders(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    better = prefer(spaces)

    def script(text: str, number: int) -> str | Scripted:
        time.sleep(0.05)
        return better(text, number)

    with serving(script) as server:
        assert here(*words(models, out, server.url + "/", "--judge-threads", "3")) == 0
    printed = capsys.readouterr().out
    a, b = (
        {line["prompt"]: line["text"] for line in read_journal(out / f"answers-{side}.jsonl")}
        for side in "ab"
    )
    assert set(a) == set(PROMPTS)
    assert sorted(map(answers_in, server.asked)) == sorted(
        [(a[prompt], b[prompt]) for prompt in PROMPTS] + [(b[prompt], a[prompt]) for prompt in PROMPTS]
    )
    found = result_of(out)
    assert found["wins_a"] == sum(spaces(a[prompt]) > spaces(b[prompt]) for prompt in PROMPTS)
    assert found["wins_b"] == sum(spaces(a[prompt]) < spaces(b[prompt]) for prompt in PROMPTS)
    assert found["wins_a"] + found["wins_b"] + found["ties"] == len(PROMPTS)
    assert found["position"]["swayed"] == 0
    assert found["spent"] == {
        "opinions": 16, "requests": 16, "prompt_tokens": 1600, "completion_tokens": 112
    }  # fmt: skip
    assert "16 judgments, 16 requests, 1,600 + 112 tokens" in printed
    assert set(server.paths) == {"/v1/chat/completions"}
    assert all(body["model"] == "wise" and body["temperature"] == 0 for body in server.bodies)
    assert all("Authorization" not in headers for headers in server.headers)
    assert 1 < server.most_at_once <= 3


def test_a_judge_that_likes_the_first_place_has_no_winner(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(lambda *_: "[[A]]") as server:
        assert here(*words(models, tmp_path / "out", server.url)) == 0
    found = result_of(tmp_path / "out")
    assert (found["wins_a"], found["wins_b"], found["ties"]) == (0, 0, 8)
    assert "this judge goes by the place of an answer more than by the answer" in capsys.readouterr().out
    assert found["position"] == {"first": 16, "second": 0, "tie": 0, "both_orders": 8, "swayed": 8}


def test_what_is_no_verdict_is_counted_and_shown(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    better = prefer(spaces)

    def script(text: str, number: int) -> str | Scripted:
        if "Tell me" in text:
            return "I cannot say.\x1b[31m"
        if "Why so" in text:
            return Scripted(400, json.dumps({"error": {"message": "content filter"}}))
        return better(text, number)

    with serving(script) as server:
        assert here(*words(models, tmp_path / "out", server.url)) == 0
        asked = len(server.asked)
        printed = capsys.readouterr().out
        assert here(*words(models, tmp_path / "out", server.url)) == 0
        assert len(server.asked) == asked == 16
    found = result_of(tmp_path / "out")
    assert (found["no_verdict"], found["wins_a"] + found["wins_b"] + found["ties"]) == (2, 6)
    assert "no verdict: 2" in printed
    assert "no verdict on 'Tell me': 'I cannot say." in printed
    assert "refused: status 400 Bad Request: content filter" in str(found["without_verdict"])
    assert "many prompts have no verdict" in printed
    assert "\x1b" not in printed


def test_an_address_may_be_whole_or_end_before_the_last_part() -> None:
    for url in ("http://h/v1", "http://h/v1/chat/completions"):
        assert ServerJudge(url, "m", Instructions()).address == "http://h/v1/chat/completions"


def judge_at(url: str, **changes: object) -> ServerJudge:
    return ServerJudge(url, "wise", Instructions(), **{"pause": 0.01, **changes})  # type: ignore[arg-type]  # a mapping has one type of values


def busy_first(times: int, reply: Scripted) -> Callable[[str, int], str | Scripted]:
    return lambda _, number: reply if number <= times else "[[B]]"


@pytest.mark.parametrize(
    "reply",
    [
        Scripted(429, "slow down", Retry_After="0"),
        Scripted(429, "slow down"),
        Scripted(500, "oops"),
        Scripted(503, json.dumps({"error": "busy"})),
        Scripted(200, "<html>a proxy's page</html>"),
        Scripted(200, '{"choices": []}'),
    ],
)
def test_a_busy_server_is_asked_again(reply: Scripted) -> None:
    with serving(busy_first(2, reply)) as server:
        opinion = judge_at(server.url).compare("a", "b", "c")
        assert (opinion.verdict, opinion.requests) == ("second", 3)
    with serving(busy_first(3, reply)) as server, pytest.raises(JudgingError, match="failed 3 times"):
        judge_at(server.url, tries=3).compare("a", "b", "c")
    assert len(server.bodies) == 3


def test_pauses_grow_and_what_the_server_says_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("trainer.judge.server.time.sleep", pauses.append)
    with serving(busy_first(4, Scripted(500))) as server:
        judge_at(server.url, pause=8).compare("a", "b", "c")
    for pause, most in zip(pauses, (8, 16, 32, 60), strict=True):
        assert most / 2 <= pause <= most
    pauses.clear()
    for stated, wanted in (("7", 7), ("3600", 60), ("Fri, 31 Dec 1999 23:59:59 GMT", None)):
        with serving(busy_first(1, Scripted(429, Retry_After=stated))) as server:
            judge_at(server.url).compare("a", "b", "c")
        assert pauses.pop() == wanted if wanted else pauses.pop() < 1


def test_a_slow_server_is_given_up(models: Path) -> None:
    def script(_: str, number: int) -> str:
        time.sleep(1.0 if number == 1 else 0)
        return "[[C]]"

    with serving(script) as server:
        assert judge_at(server.url, timeout=0.3).compare("a", "b", "c").requests == 2
    with serving(lambda *_: time.sleep(1) or "A") as server:  # type: ignore[func-returns-value]  # sleep gives None
        with pytest.raises(UsageError, match=r"cannot be used: no answer within 0\.2 s"):
            judge_at(server.url, timeout=0.2, tries=2).check()
        assert len(server.bodies) == 2


def test_a_reply_that_was_cut_says_so() -> None:
    content = {"choices": [{"message": {"content": None}, "finish_reason": "length"}]}
    with serving(lambda *_: Scripted(200, json.dumps(content))) as server:
        opinion = judge_at(server.url).compare("a", "b", "c")
    assert opinion.verdict is None
    assert opinion.details == {"finish_reason": "length"}


def test_the_body_of_requests_can_be_changed(models: Path, tmp_path: Path) -> None:
    body = '{"max_tokens": null, "max_completion_tokens": 99, "reasoning_effort": "low"}'
    with serving(lambda *_: "[[C]]") as server:
        assert here(*words(models, tmp_path / "out", server.url, "--judge-body", body, "--limit", "2")) == 0
    for sent in server.bodies:
        assert "max_tokens" not in sent
        assert (sent["max_completion_tokens"], sent["reasoning_effort"]) == (99, "low")


def test_a_server_that_is_not_there_is_told_before_anything_is_generated(
    models: Path, tmp_path: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        start = time.monotonic()
        result = trainer(*words(models, tmp_path / "out", url))
    print(f"{time.monotonic() - start:.1f} s", result.stderr)
    assert result.returncode == 2
    assert f"--judge-url {url} cannot be used:" in result.stderr
    assert "refused" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (
            Scripted(404, '{"error": {"message": "no model wise"}}'),
            "refuses: status 404 Not Found: no model wise",
        ),
        (Scripted(401, "who are you"), "the key is named by --judge-key-env"),
        (Scripted(400, "unknown max_tokens"), "--judge-body changes what a request says"),
        (Scripted(302, "", Location="http://127.0.0.1:1/v1"), "refuses: status 302"),
    ],
)
def test_a_server_that_refuses_is_told_before_anything_is_generated(
    models: Path, tmp_path: Path, reply: Scripted, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(lambda *_: reply) as server:
        assert here(*words(models, tmp_path / "out", server.url)) == 2
        assert len(server.bodies) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_key_goes_to_the_server_and_nowhere_else(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "sk-not-to-be-seen-1234"
    more = ["--judge-key-env", "WISE_KEY", "--limit", "2", "--judge-tries", "1"]
    monkeypatch.delenv("WISE_KEY", raising=False)
    with serving(lambda *_: "[[C]]") as server:
        assert here(*words(models, tmp_path / "out", server.url, *more)) == 2
        assert "the environment has no WISE_KEY" in capsys.readouterr().err
        monkeypatch.setenv("WISE_KEY", key)
        assert here(*words(models, tmp_path / "out", server.url, *more)) == 0
    assert {headers["Authorization"] for headers in server.headers} == {f"Bearer {key}"}
    for status in (401, 500):
        with serving(lambda *_, status=status: Scripted(status, f"bad key {key}")) as server:
            code = here(*words(models, tmp_path / "other", server.url, *more))
        assert code == 2
        printed = capsys.readouterr()
        assert "bad key …" in printed.err
        assert key not in printed.err + printed.out
    assert all(key.encode() not in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())


def test_a_server_that_breaks_stops_the_work_and_what_was_said_is_kept(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    better = prefer(spaces)
    more = ["--judge-tries", "1", "--judge-threads", "2"]
    with serving(lambda text, n: better(text, n) if n <= 6 else Scripted(500, "broken")) as server:
        assert here(*words(models, out, server.url, *more)) == 1
        message = capsys.readouterr().err
        assert "failed 1 time: status 500 Internal Server Error: broken" in message
        assert "the same command goes on from there" in message
        kept = read_journal(out / "judgments.jsonl")
        assert 3 <= len(kept) <= 5
        assert not (out / "result.json").exists()
        answers = (out / "answers-a.jsonl").read_bytes()
        server.script = better
        time.sleep(0.3)  # what the other thread had sent is over
        server.bodies.clear()
        assert here(*words(models, out, server.url, *more)) == 0
    assert len(server.asked) == 16 - len(kept)
    assert (out / "answers-a.jsonl").read_bytes() == answers
    assert len(read_journal(out / "judgments.jsonl")) == 16


@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_an_interrupted_judge_goes_on_without_asking_again(
    models: Path, tmp_path: Path, sent: signal.Signals, code: int
) -> None:
    out = tmp_path / "out"
    better = prefer(spaces)

    def slow(text: str, number: int) -> str | Scripted:
        time.sleep(0 if number <= 5 else 60)
        return better(text, number)

    with serving(slow) as server:
        process = subprocess.Popen(
            [sys.executable, "-m", "trainer", *words(models, out, server.url, "--judge-threads", "2")],
            env={**environment(), "no_proxy": "127.0.0.1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        deadline = time.monotonic() + 120
        while not (out / "judgments.jsonl").exists() or len(read_journal(out / "judgments.jsonl")) < 4:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.kill(process.pid, sent)
        start = time.monotonic()
        process.communicate(timeout=60)
        assert process.returncode == code
        assert time.monotonic() - start < 20  # it does not wait for the server
        kept = {(line["pair"], line["order"]) for line in read_journal(out / "judgments.jsonl")}
        assert len(kept) == 4
        before = server.asked[:4]
        server.script = better
        server.bodies.clear()
        assert here(*words(models, out, server.url)) == 0
    assert len(server.asked) == 12
    assert not set(before) & set(server.asked)


def test_threads_stop_asking_after_the_first_failure() -> None:
    tasks = [Task(Pair("p", str(number), "b"), "ab") for number in range(200)]
    with serving(lambda *_: Scripted(403, "no")) as server:
        with pytest.raises(JudgingError, match="status 403"):
            list(ask(judge_at(server.url, threads=2), tasks))
        time.sleep(0.3)
        assert len(server.bodies) < 20
