"""`judge`: counting verdicts, a local judge, and what is kept."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from prepcore.arguments import UsageError
from tests.trainer.folders import write_byte_tokenizer
from tests.trainer.models import tiny_llama
from tests.trainer.test_cli import here, trainer
from trainer.judge.answers import checkpoint_name, fingerprint
from trainer.judge.journal import append, read_journal
from trainer.judge.local import LocalJudge, log_likelihoods
from trainer.judge.prompts import read_prompts
from trainer.judge.statistics import Compared, count, interval, sign_test
from trainer.judge.verdict import ASK_LETTER, Instructions, parse_verdict

PROMPTS = ["What is it", "Tell me", "One day", "Why so", "A b c", "To be or"]


def model_folder(path: Path, seed: int, **changes: int) -> Path:
    write_byte_tokenizer(path, 96)
    tiny_llama(seed, **{"max_position_embeddings": 4096, **changes}).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(("old", "new", "judge")):
        model_folder(root / name, seed)
    (root / "prompts.txt").write_text("\n".join([*PROMPTS, "", PROMPTS[0]]) + "\n")
    return root


def words(models: Path, out: Path, *more: str) -> list[str]:
    return [
        *("judge", str(models / "old"), str(models / "new"), "--prompts", str(models / "prompts.txt")),
        *("--out", str(out), "--max-new-tokens", "12", "--device", "cpu", *more),
    ]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("A", "first"),
        (" b", None),
        ("**B**.", "second"),
        ("C", "tie"),
        ("Both say much.\n[[A]]", "first"),
        ("First [[A]] seemed right, but\n\nmy verdict: [[B]]\n", "second"),
        ("[[ C ]]", "tie"),
        ("[[A]] or [[B]]", None),
        ("[[A]], and again [[A]]", "first"),
        ("Answer A is better.", None),
        ("[A]", "first"),
        ("A or B", None),
        ("[[D]]", None),
        ("", None),
    ],
)
def test_verdicts_are_read_where_they_are_clear(text: str, wanted: str | None) -> None:
    assert parse_verdict(text) == wanted


def test_an_answer_wins_that_is_preferred_in_both_orders() -> None:
    wanted = {
        ("first", "second"): "a",
        ("second", "first"): "b",
        ("tie", "tie"): "tie",
        ("first", "first"): "tie",
        ("second", "second"): "tie",
        ("first", "tie"): "tie",
        ("tie", "first"): "tie",
        ("first", None): None,
        (None, "tie"): None,
    }
    for (ab, ba), winner in wanted.items():
        compared = Compared((("ab", ab), ("ba", ba)), (3, 4))  # type: ignore[arg-type]  # mypy widens the words to str
        assert compared.winner == winner
        assert compared.swayed == (ab == ba and ab != "tie" and ab is not None)
    assert Compared((("ba", "first"),), (3, 4)).winner == "b"  # people see one order
    assert Compared((), (3, 3), identical=True).winner == "tie"


def test_all_is_counted() -> None:
    compared = [
        *[Compared((("ab", "first"), ("ba", "second")), (9, 4))] * 5,
        *[Compared((("ab", "second"), ("ba", "first")), (2, 4))] * 2,
        Compared((("ab", "second"), ("ba", "first")), (5, 4)),
        *[Compared((("ab", "first"), ("ba", "first")), (5, 5))] * 3,
        *[Compared((("ab", None), ("ba", "first")), (5, 5))] * 2,
        Compared((), (7, 7), identical=True),
    ]
    found = count(compared)
    assert (found["wins_a"], found["wins_b"], found["ties"], found["no_verdict"]) == (5, 3, 4, 2)
    assert (found["prompts"], found["identical"]) == (14, 1)
    assert found["win_rate_a"]["value"] == pytest.approx((5 + 2) / 12)
    assert found["sign_test_p"] == sign_test(5, 3)
    assert found["position"] == {"first": 14, "second": 8, "tie": 0, "both_orders": 11, "swayed": 3}
    assert (found["length"]["decided"], found["length"]["longer_won"]) == (8, 7)
    nothing = count([Compared((("ab", None), ("ba", None)), (1, 2))])
    assert nothing["win_rate_a"] is None
    assert nothing["sign_test_p"] is None


def test_the_interval_is_that_of_tango() -> None:
    """Its ends are where the score, with probabilities found by search, is ±1.96."""
    for wins, losses, number in ((7, 2, 20), (0, 3, 9), (12, 12, 60), (5, 0, 5), (0, 0, 8), (1, 40, 41)):
        for end, sign in zip(interval(wins, losses, number), (1, -1), strict=True):
            difference = 2 * end - 1
            if abs(difference) > 1 - 1e-9:
                assert (wins, losses) in ((number, 0), (0, number))
                continue
            # The likeliest probability of a loss when wins are more likely by the difference.
            losing = np.linspace(max(0.0, -difference), (1 - difference) / 2, 2_000_001)[1:-1]
            with np.errstate(divide="ignore"):
                terms = [(wins, losing + difference), (losses, losing), (number - wins - losses,
                         1 - 2 * losing - difference)]  # fmt: skip
                likelihood = sum(times * np.log(p) for times, p in terms if times)
            lost = float(losing[np.argmax(likelihood)])
            deviation = math.sqrt(number * (2 * lost + difference - difference**2))
            score = (wins - losses - number * difference) / deviation
            assert score == pytest.approx(sign * 1.959964, abs=2e-3)


def test_without_ties_the_interval_is_that_of_wilson() -> None:
    z = 1.959963984540054
    for wins, number in ((7, 10), (10, 10), (1, 30), (500, 900)):
        rate = wins / number
        middle = (rate + z * z / (2 * number)) / (1 + z * z / number)
        half = z * math.sqrt(rate * (1 - rate) / number + z * z / (4 * number**2)) / (1 + z * z / number)
        assert interval(wins, number - wins, number) == pytest.approx(
            (middle - half, middle + half), abs=1e-9
        )


@pytest.mark.parametrize(("win", "lose"), [(0.5, 0.5), (0.3, 0.2), (0.1, 0.05), (0.85, 0.05)])
def test_the_interval_holds_the_truth_as_often_as_it_says(win: float, lose: float) -> None:
    number, draws = 40, 3000
    generator = np.random.default_rng(0)
    counts = generator.multinomial(number, [win, lose, 1 - win - lose], size=draws)
    known = {pair: interval(*pair, number) for pair in {(int(w), int(b)) for w, b, _ in counts}}
    truth = (1 + win - lose) / 2
    hits = sum(known[int(w), int(b)][0] <= truth <= known[int(w), int(b)][1] for w, b, _ in counts)
    print(f"{hits / draws:.3f}")
    assert 0.935 <= hits / draws <= 0.985


def test_the_sign_test_is_exact() -> None:
    assert sign_test(8, 2) == pytest.approx(0.109375)
    assert sign_test(2, 8) == sign_test(8, 2)
    assert sign_test(5, 5) == 1
    assert sign_test(0, 0) is None
    assert sign_test(1500, 1000) == pytest.approx(1e-23, rel=1)


def test_instructions_take_everything_as_it_is(tmp_path: Path) -> None:
    text = Instructions.of("brevity", None).about("{answer_a}", r"\1 {answer_b}", "{prompt}")
    assert "by this measure: brevity." in text
    assert "<prompt>\n{answer_a}\n</prompt>" in text
    assert "<answer_a>\n\\1 {answer_b}\n</answer_a>" in text
    assert "<answer_b>\n{prompt}\n</answer_b>" in text
    (tmp_path / "own.txt").write_text('{"json": 1} {prompt}|{answer_a}|{answer_b}')
    own = Instructions.of(None, str(tmp_path / "own.txt"))
    assert own.about("x", "y", "z") == '{"json": 1} x|y|z'
    (tmp_path / "bad.txt").write_text("{prompt} {answer_a}")
    with pytest.raises(UsageError, match=r"bad\.txt has no {answer_b}"):
        Instructions.of(None, str(tmp_path / "bad.txt"))


def test_log_likelihoods_are_those_of_whole_passes() -> None:
    model = tiny_llama().eval()
    rows = [[1, 5, 9, 3, 7], [1, 5, 9, 4], [1, 5, 9, 3, 8, 8, 2]]
    wanted = []
    for row in rows:
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([row])).logits[0].log_softmax(dim=-1)
        wanted.append(sum(float(logits[place - 1, row[place]]) for place in range(3, len(row))))
    assert log_likelihoods(model, rows) == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("chat", [False, True])
def test_a_local_judge_says_the_likeliest_letter(tmp_path: Path, chat: bool) -> None:
    folder = model_folder(tmp_path / "judge", 3)
    if chat:
        template = "{% for turn in messages %}<{{ turn.role }}>{{ turn.content }}{% endfor %}<assistant>"
        (folder / "tokenizer_config.json").write_text(
            json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": template})
        )
    instructions = Instructions()
    judge = LocalJudge(folder, instructions, "fp32", "cpu")
    judge.check()
    assert judge.chat == chat
    seen = set()
    for first, second in itertools.permutations(("good", "bad, really", "x" * 40, "no"), 2):
        opinion = judge.compare("Say so", first, second)
        text = instructions.about("Say so", first, second) + ASK_LETTER
        text = f"<user>{text}<assistant>" if chat else f"{text}\n\nVerdict: "
        subject = judge._subject
        ids = [1, *subject.tokenizer.encode(text, add_special_tokens=False).ids][chat:]
        with torch.no_grad():
            last = subject.model(input_ids=torch.tensor([ids])).logits[0, -1].log_softmax(dim=-1)
        if not chat:  # each character is a token, the space before the letter too
            assert text[-1] == " "
        values = [float(last[subject.tokenizer.token_to_id(letter)]) for letter in "ABC"]
        shown = list(opinion.details["log_likelihoods"].values())
        assert shown == pytest.approx(values, abs=2e-4)
        assert opinion.verdict == ("first", "second", "tie")[values.index(max(values))]
        seen.add(opinion.verdict)
    print(seen)


def test_a_comparison_that_is_too_long_has_no_verdict(tmp_path: Path) -> None:
    judge = LocalJudge(
        model_folder(tmp_path / "j", 0, max_position_embeddings=64), Instructions(), "fp32", "cpu"
    )
    opinion = judge.compare("a", "b", "c")
    assert opinion.verdict is None
    assert "the judge has room for 64" in opinion.words


def test_two_checkpoints_are_compared_and_nothing_is_done_twice(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    judge = ["--judge", str(models / "judge")]
    assert here(*words(models, out, *judge)) == 0
    first = capsys.readouterr()
    assert "compares A with B on 6 prompts" in first.out
    assert "answers of A, old: 6 of 6" in first.err
    lines = read_journal(out / "judgments.jsonl")
    assert len(lines) == 12
    assert {line["order"] for line in lines} == {"ab", "ba"}
    result = json.loads((out / "result.json").read_text())
    [kept] = result["judges"].values()
    assert kept["wins_a"] + kept["wins_b"] + kept["ties"] == 6
    assert result["a"]["checkpoint"] == "old"
    assert result["prompt_file"] == {"name": "prompts.txt", "repeated": 1}
    before = {file.name: file.read_bytes() for file in out.iterdir() if file.name != "result.json"}

    # The same again: nothing is generated or judged.
    assert here(*words(models, out, *judge)) == 0
    second = capsys.readouterr()
    assert second.out == first.out
    assert "answers" not in second.err
    assert {file.name: file.read_bytes() for file in out.iterdir() if file.name != "result.json"} == before

    # Other criteria judge again, with the answers that are there.
    assert here(*words(models, out, *judge, "--criteria", "brevity", "--json")) == 0
    third = capsys.readouterr()
    assert json.loads(third.out)["prompts"] == 6
    assert "answers" not in third.err
    assert (out / "answers-a.jsonl").read_bytes() == before["answers-a.jsonl"]
    assert len(json.loads((out / "result.json").read_text())["judges"]) == 2

    # Other answers are refused by name.
    for more, said in (
        (["--max-new-tokens", "13"], "has answers made with max-new-tokens 12, not 13"),
        (["--temperature", "0.5"], "made with temperature 0.0, not 0.5"),
    ):
        assert here(*words(models, out, *judge, *more)) == 2
        assert said in capsys.readouterr().err


def test_a_killed_comparison_goes_on(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    judge = ["--judge", str(models / "judge"), "--temperature", "0.9", "--batch-size", "1"]
    assert here(*words(models, tmp_path / "whole", *judge)) == 0
    assert here(*words(models, tmp_path / "cut", *judge)) == 0
    cut = tmp_path / "cut"
    for name, kept in (("answers-b.jsonl", 2), ("judgments.jsonl", 5)):
        data = (cut / name).read_bytes().splitlines(keepends=True)
        (cut / name).write_bytes(b"".join(data[:kept]) + data[kept][:17])
    (cut / "result.json").unlink()
    capsys.readouterr()
    assert here(*words(models, cut, *judge)) == 0
    said = capsys.readouterr().err
    assert "answers of B, new: 4 of 4" in said
    assert "answers of A" not in said
    assert "judgments of judge: 7 of 7" in said
    for name in ("answers-b.jsonl", "judgments.jsonl"):
        whole = read_journal(tmp_path / "whole" / name)
        assert sorted(map(str, read_journal(cut / name))) == sorted(map(str, whole))


def test_a_checkpoint_is_known_by_what_is_in_it(models: Path, tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "runs" / "demo" / "checkpoints" / "step-00000010", 0)
    assert fingerprint(folder) == fingerprint(models / "old")
    (folder / "evaluation.json").write_text("{}")
    (folder / "training_state.pt").write_bytes(b"1")
    assert fingerprint(folder) == fingerprint(models / "old")
    assert checkpoint_name(folder) == "demo-step-00000010"
    (folder.parent / "last").symlink_to(folder.name)
    assert checkpoint_name(folder.parent / "last") == "demo-step-00000010"
    tiny_llama(7, max_position_embeddings=4096).save_pretrained(folder)
    assert fingerprint(folder) != fingerprint(models / "old")


def test_journals_lose_a_torn_line_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    append(path, {"a": "ä\u2028"})
    with path.open("ab") as file:
        file.write('{"a": "half ä'.encode()[:-1])
    assert read_journal(path) == [{"a": "ä\u2028"}]
    append(path, {"a": 2})
    assert read_journal(path) == [{"a": "ä\u2028"}, {"a": 2}]
    path.write_text("{}\n[]\n{}\n")
    with pytest.raises(UsageError, match="line 2 is no JSON object"):
        read_journal(path)


def test_prompts_come_from_text_json_lines_and_tables(tmp_path: Path) -> None:
    for name, text in (
        ("a.txt", "One\n\nTwo\r\nOne\n"),
        ("a.jsonl", '{"prompt": "One"}\n{"prompt": "Two", "id": 3}\n{"prompt": "One"}\n'),
        ("a.csv", "id,prompt\n1,One\n2,Two\n3,One\n"),
    ):
        (tmp_path / name).write_bytes(text.encode())
        assert read_prompts(tmp_path / name) == (["One", "Two"], 1)
    assert read_prompts(tmp_path / "a.txt", 1)[0] == ["One"]
    (tmp_path / "b.jsonl").write_text('{"text": "One"}\n')
    with pytest.raises(UsageError, match=r"b\.jsonl, line 1: there is no 'prompt'"):
        read_prompts(tmp_path / "b.jsonl")
    (tmp_path / "none.txt").write_text("\n \n")
    with pytest.raises(UsageError, match="has no prompt"):
        read_prompts(tmp_path / "none.txt")


def test_the_chat_template_of_the_checkpoints_is_used_where_asked_for(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    judge = ["--judge", str(models / "judge")]
    assert here(*words(models, tmp_path / "out", *judge, "--chat")) == 2
    assert "chat is on, but" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_mistakes_are_refused(models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new, judge = (str(models / name) for name in ("old", "new", "judge"))
    prompts = ["--prompts", str(models / "prompts.txt")]
    bare = model_folder(tmp_path / "bare", 0)
    (bare / "tokenizer.json").unlink()
    empty = model_folder(tmp_path / "empty", 0)
    (empty / "model.safetensors").unlink()
    for more, said in (
        ([old, new, "--judge", str(empty), *prompts], "empty has no weights"),
        ([old, new, *prompts], "nobody judges, wanted one of --judge, --judge-url, --human"),
        ([old, new, *prompts, "--judge", judge, "--human", "x.csv"], "judge and human are given"),
        ([old, "--judge", judge, *prompts], "1 checkpoints are given, wanted two: A and B"),
        ([old, new, "--judge", judge], "--prompts must be given"),
        ([old, old, "--judge", judge, *prompts], "A and B are both"),
        ([old, new, "--judge", str(tmp_path), *prompts], "it has no config.json"),
        ([old, str(bare), "--judge", judge, *prompts], "has no tokenizer.json"),
        ([old, new, "--judge", judge, "--prompts", "none.txt"], "--prompts none.txt cannot be read"),
        ([old, new, "--judge-url", "http://h/v1", *prompts], "judge-url and judge-model belong together"),
        ([old, new, "--judge-url", "ftp://h", "--judge-model", "m", *prompts], "is not an address"),
        ([old, new, "--judge-url", "http://u:secret@h/v1", *prompts], "wanted host and path alone"),
        ([old, new, "--judge", judge, "--judge-body", "{}", *prompts], "judge-body has no effect"),
        ([old, new, "--judge", judge, "--criteria", "a", "--instructions", "b", *prompts], "wanted one"),
        ([old, new, "--human", "x.csv", "--criteria", "a", *prompts], "criteria has no effect without"),
        ([old, new, "--human-read", "x.csv"], "human-read takes no checkpoints"),
        (["--human-read", "x.csv", *prompts], "prompts has no effect with human-read"),
        ([old, new, "--judge", judge, "--human-key", "x", *prompts], "human-key has no effect without"),
        ([old, new, "--judge", judge, "--max-new-tokens", "99999", *prompts], "so that there is room"),
        ([old, new, "--judge", judge, "--stop", "", *prompts], "--stop: '' is in every text"),
    ):
        assert here("judge", *more, "--out", str(tmp_path / "out")) == 2, more
        message = capsys.readouterr().err
        assert said in message, message
        assert "secret" not in message
    assert not (tmp_path / "out").exists()
    assert here("judge", "--human-read", "x.csv") == 2
    assert "there is no x.csv" in capsys.readouterr().err


def test_mistakes_are_found_before_torch_is_imported(models: Path, tmp_path: Path) -> None:
    result = trainer(*words(models, tmp_path / "out", "--judge", str(tmp_path / "nothing")))
    assert result.returncode == 2
    assert "nothing is not a model folder" in result.stderr
    assert "Traceback" not in result.stderr
