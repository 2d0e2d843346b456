"""A user's own multiple-choice file, with lm-eval itself as referee."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from prepcore.arguments import UsageError
from tests.trainer.test_cli import here
from trainer.evaluate.choices import Choices
from trainer.evaluate.subject import Subject

TEMPLATE = "Question: {question}\nAnswer:"


@pytest.fixture(scope="module")
def questions(stories: Path) -> list[dict[str, Any]]:
    """Real questions, of three or four choices."""
    [file] = (stories.parents[1] / "eval-hf" / "ai2_arc" / "ARC-Challenge").glob("test*")
    rows = pl.read_ndjson(file, n_rows=24).to_dicts()
    return [
        {
            "question": row["question"],
            "choices": row["choices"]["text"][: 3 + index % 2],
            "answer": index % 3,
        }
        for index, row in enumerate(rows)
        if len(row["choices"]["text"]) == 4
    ]


def write(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


@pytest.mark.parametrize("bos", [None, False])
def test_everything_is_what_lm_eval_computes(
    stories: Path, questions: list[dict[str, Any]], tmp_path: Path, bos: bool | None
) -> None:
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM

    path = write(tmp_path / "own.jsonl", questions)
    task = {
        "task": "own",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(path)}, "cache_dir": str(tmp_path / "cache")},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "Question: {{question}}\nAnswer:",
        "doc_to_choice": "choices",
        "doc_to_target": "answer",
        "metric_list": [{"metric": name} for name in ("acc", "acc_norm", "acc_bytes")],
    }
    harness = HFLM(pretrained=str(stories), device="cpu", dtype="float32", batch_size=5, add_bos_token=bos)
    theirs = simple_evaluate(harness, tasks=[task], log_samples=True, bootstrap_iters=0)
    measure = Choices(path=path, template=TEMPLATE)
    measure.check()
    subject = Subject(stories, "fp32", "cpu", bos=bos, batch_size=5)
    ours = measure.log_likelihoods(subject)
    samples = sorted(theirs["samples"]["own"], key=lambda sample: sample["doc_id"])
    wanted = [[float(answer[0][0]) for answer in sample["resps"]] for sample in samples]
    largest = max(abs(a - b) for ours_, theirs_ in zip(ours, wanted, strict=True)
                  for a, b in zip(ours_, theirs_, strict=True))  # fmt: skip
    print("largest difference:", largest)
    assert largest < 1e-6
    outcome = measure.run(subject)
    print(outcome)
    for metric, score in outcome.scores.items():
        assert score.value == pytest.approx(theirs["results"]["own"][f"{metric},none"], abs=1e-12)
        assert 0 < score.value < 1
    assert outcome.documents == len(questions)
    assert outcome.details["chance"] == pytest.approx((1 / 3 + 1 / 4) / 2)


def test_standard_errors_are_those_of_lm_eval(
    stories: Path, questions: list[dict[str, Any]], tmp_path: Path
) -> None:
    from lm_eval.api.metrics import mean_stderr

    measure = Choices(path=write(tmp_path / "own.jsonl", questions), template=TEMPLATE)
    outcome = measure.run(Subject(stories, "fp32", "cpu"))
    for score in outcome.scores.values():
        hits = round(score.value * len(questions))
        assert score.stderr == pytest.approx(mean_stderr([1.0] * hits + [0.0] * (len(questions) - hits)))


def test_one_file_in_every_way_it_can_be_written(questions: list[dict[str, Any]], tmp_path: Path) -> None:
    wanted = Choices(path=write(tmp_path / "a.jsonl", questions), template=TEMPLATE).questions
    texts = [{**q, "answer": q["choices"][q["answer"]]} for q in questions]
    letters = [{**q, "answer": "abc"[q["answer"]]} for q in questions]
    assert Choices(path=write(tmp_path / "b.jsonl", texts), template=TEMPLATE).questions == wanted
    assert Choices(path=write(tmp_path / "c.jsonl", letters), template=TEMPLATE).questions == wanted
    for name, delimiter in (("d.csv", ","), ("d.tsv", "\t")):
        with (tmp_path / name).open("w", newline="", encoding="utf-8-sig") as file:
            rows = csv.writer(file, delimiter=delimiter)
            rows.writerow(["question", "A", "B", "C", "D", "answer"])
            for q in questions:
                rows.writerow([q["question"], *q["choices"], *[""] * (4 - len(q["choices"])), q["answer"]])
        assert Choices(path=tmp_path / name, template=TEMPLATE).questions == wanted
    with (tmp_path / "e.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["choices", "answer", "question"])
        rows.writerows([json.dumps(q["choices"]), "ABC"[q["answer"]], q["question"]] for q in questions)
    assert Choices(path=tmp_path / "e.csv", template=TEMPLATE).questions == wanted
    assert Choices(path=tmp_path / "e.csv", template=TEMPLATE, limit=5).questions == wanted[:5]


def test_templates_hold_columns_and_text(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [{"a b": 3, "c": "{x}", "choices": ["1", 2], "answer": "2"}])
    [question] = Choices(path=path, template="{{{a b}}} {c}:").questions
    assert question.prompt == "{3} {x}:"
    assert (question.choices, question.answer) == (("1", "2"), 1)  # the text of a choice comes first


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("Question:", "names no column"),
        ("{question", "expected '}'"),
        ("{}", "hold no name of a column alone"),
        ("{question:>10}", "hold no name of a column alone"),
        ("{question!r}", "hold no name of a column alone"),
        (
            "{context} {question}",
            r"line 1: there is no 'context', which --template names\n.*question, choices",
        ),
        ("{question.real}", r"there is no 'question\.real'"),
    ],
)
def test_bad_templates_are_refused(tmp_path: Path, template: str, said: str) -> None:
    path = write(tmp_path / "a.jsonl", [{"question": "a", "choices": ["b", "c"], "answer": 0}])
    with pytest.raises(UsageError, match=said):
        Choices(path=path, template=template).check()


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"question": "a", "choices": ["b", "c"], "answer": 2}, "answer is 2, wanted a number from 0 to 1"),
        ({"question": "a", "choices": ["b", "c"], "answer": -1}, "answer is -1"),
        ({"question": "a", "choices": ["b", "c"], "answer": True}, "answer is True"),
        ({"question": "a", "choices": ["b", "c"], "answer": "d"}, "a letter from A to B"),
        ({"question": "a", "choices": ["b", "c"], "answer": "maybe"}, "answer is 'maybe'"),
        ({"question": "a", "choices": ["b", "c"]}, "has no answer"),
        ({"question": "a", "answer": 0}, "has no choices"),
        ({"question": "a", "A": "b", "C": "d", "answer": 0}, "has no choices"),
        ({"question": "a", "choices": ["b"], "answer": 0}, "has 1 choices, wanted two or more"),
        ({"question": "a", "choices": ["b", ""], "answer": 0}, "has 1 choices"),
        ({"question": "a", "choices": "b|c", "answer": 0}, "wanted a JSON list"),
        ({"question": "a", "choices": ["b", None], "answer": 0}, "choices is null, wanted text"),
        ({"question": None, "choices": ["b", "c"], "answer": 0}, "question is null, wanted text"),
    ],
)
def test_mistakes_name_the_line(tmp_path: Path, record: dict[str, Any], said: str) -> None:
    right = {"question": "a", "choices": ["b", "c"], "answer": 0}
    path = write(tmp_path / "a.jsonl", [right, record])
    with pytest.raises(UsageError, match=rf"a\.jsonl, line 2\b.*{said}"):
        Choices(path=path, template="{question}").check()


def test_tables_that_are_none_are_refused(tmp_path: Path) -> None:
    for text, said in (
        ("question,A,A\n", "column 'A' stands twice"),
        ("question,A,B,answer\na,b\n", "line 2 has 2 cells, wanted 4"),
        ('question,A,B,answer\na,"b"c,d,0\n', "line 2 is not CSV"),
        ("question,A,B,answer\n", "has no record"),
    ):
        (tmp_path / "a.csv").write_text(text)
        with pytest.raises(UsageError, match=said):
            Choices(path=tmp_path / "a.csv", template="{question}").check()


def test_cells_of_several_lines_stay_whole(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b'question,A,B,answer\r\n"a\r\nb, ""c""",b,c,B\r\n\r\n')
    [question] = Choices(path=tmp_path / "a.csv", template="{question}").questions
    assert question.prompt == 'a\r\nb, "c"'
    assert question.answer == 1


def test_the_command_scores_a_file(
    stories: Path, questions: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "own.jsonl", questions)
    words = ["evaluate", stories, "--choices", path, "--out", tmp_path / "a.json", "--device", "cpu"]
    assert here(*words, "--template", r"Question: {question}\nAnswer:", "--batch-size", "5") == 0
    assert "choices:own.jsonl  acc_norm" in capsys.readouterr().out
    result = json.loads((tmp_path / "a.json").read_text())["results"]["choices:own.jsonl"]
    wanted = Choices(path=path, template=TEMPLATE).run(Subject(stories, "fp32", "cpu", batch_size=5))
    assert result["settings"]["template"] == TEMPLATE
    assert result["main"] == "acc_norm"
    assert {name: score["value"] for name, score in result["scores"].items()} == {
        name: score.value for name, score in wanted.scores.items()
    }
    for more, said in (
        ([], "choices and template belong together"),
        (["--template", "{text}"], "line 1: there is no 'text', which --template names"),
    ):
        assert here(*words, *more) == 2
        assert said in capsys.readouterr().err
