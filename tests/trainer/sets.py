"""Small evaluation sets in the rows of the hub, and lm-eval's own run on them: the referee."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

Rows = Sequence[Mapping[str, Any]]

THINGS = ("river", "stone", "lamp", "wheel", "cloud", "apple", "horse", "clock", "ship", "tree")


def arc(count: int, seed: int) -> Rows:
    return [
        {
            "id": f"{seed}-{n}",
            "question": f"Which of these is like a {THINGS[(n + seed) % 10]} in {n + 2} ways?",
            "choices": {
                "text": [f"a {THINGS[(n + k * 3 + seed) % 10]} of {k}" for k in range(4)],
                "label": ["A", "B", "C", "D"],
            },
            "answerKey": "ABCD"[(n + seed) % 4],
        }
        for n in range(count)
    ]


def hellaswag(count: int, seed: int) -> Rows:
    return [
        {
            "ind": n,
            "activity_label": f"Mending a {THINGS[n % 10]}",
            "ctx_a": f"A man holds a {THINGS[(n + seed) % 10]}.",
            "ctx_b": "he",
            "ctx": f"A man holds a {THINGS[(n + seed) % 10]}. he",
            "endings": [f"puts it [step] on a {THINGS[(n + k) % 10]}." for k in range(4)],
            "label": str((n + seed) % 4),
        }
        for n in range(count)
    ]


def mmlu(subject: str, count: int, seed: int) -> Rows:
    return [
        {
            "question": f"What does {subject.replace('_', ' ')} say of the {THINGS[(n + seed) % 10]}?",
            "subject": subject,
            "choices": [f"{k + n} {THINGS[k]}" for k in range(4)],
            "answer": (n + seed) % 4,
        }
        for n in range(count)
    ]


def truthful(count: int) -> Rows:
    return [
        {
            "question": f"Is a {THINGS[n % 10]} alive?",
            "mc1_targets": {"choices": ["No.", f"Yes, {n}."], "labels": [1, 0]},
            "mc2_targets": {"choices": ["No.", "Not at all.", f"Yes, {n}."], "labels": [1, 1, 0]},
        }
        for n in range(count)
    ]


def winogrande(count: int, seed: int) -> Rows:
    return [
        {
            "sentence": f"The {THINGS[n % 10]} did not fit the {THINGS[(n + seed) % 10]}, as the _ was big.",
            "option1": THINGS[n % 10],
            "option2": THINGS[(n + seed) % 10],
            "answer": "12"[n % 2],
        }
        for n in range(count)
    ]


def gsm8k(count: int, seed: int) -> Rows:
    return [
        {
            "question": f"I had {n + seed} of one {THINGS[n % 10]} and found {n}. How many are there?",
            "answer": f"{n + seed} + {n} = <<{n + seed}+{n}={2 * n + seed}>>.\n#### {2 * n + seed}",
        }
        for n in range(count)
    ]


def lambada(count: int) -> Rows:
    return [
        {"text": f"She went to the {THINGS[n % 10]} and saw the old {THINGS[n % 7]}"} for n in range(count)
    ]


def write_sets(root: Path) -> Path:
    """Write a folder as `--data` wants it, HellaSwag without its train split."""
    for name, rows in {
        "ai2_arc/ARC-Challenge/train": arc(30, 1),
        "ai2_arc/ARC-Challenge/test": arc(5, 2),
        "ai2_arc/ARC-Challenge/validation": arc(4, 3),
        "ai2_arc/ARC-Easy/train": arc(8, 4),
        "ai2_arc/ARC-Easy/test": arc(5, 5),
        "ai2_arc/ARC-Easy/validation": arc(4, 6),
        "hellaswag/validation": hellaswag(6, 1),
        "truthful_qa/multiple_choice/validation": truthful(5),
        "winogrande/winogrande_xl/train": winogrande(9, 3),
        "winogrande/winogrande_xl/validation": winogrande(5, 1),
        "gsm8k/main/train": gsm8k(8, 3),
        "gsm8k/main/test": gsm8k(3, 5),
        "lambada_openai/test": lambada(4),
    }.items():
        write_rows(root / f"{name}.jsonl", rows)
    return root


def write_rows(path: Path, rows: Rows) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_mmlu(root: Path, subjects: Sequence[str]) -> Path:
    """Write MMLU in one folder, each subject with another number of questions."""
    for split, count in (("dev", 5), ("test", 0)):
        rows = [
            row
            for number, subject in enumerate(subjects)
            for row in mmlu(subject, count or 1 + number % 3, number)
        ]
        write_rows(root / "mmlu" / "all" / f"{split}.jsonl", rows)
    return root


# The referee: lm-eval by itself, whose task files are included as they are and told to read JSON.

PLACES = {
    "arc_challenge": ("arc/arc_challenge.yaml", "ai2_arc/ARC-Challenge"),
    "arc_easy": ("arc/arc_easy.yaml", "ai2_arc/ARC-Easy"),
    "hellaswag": ("hellaswag/hellaswag.yaml", "hellaswag"),
    "truthfulqa_mc1": ("truthfulqa/truthfulqa_mc1.yaml", "truthful_qa/multiple_choice"),
    "truthfulqa_mc2": ("truthfulqa/truthfulqa_mc2.yaml", "truthful_qa/multiple_choice"),
    "winogrande": ("winogrande/default.yaml", "winogrande/winogrande_xl"),
    "gsm8k": ("gsm8k/gsm8k.yaml", "gsm8k/main"),
    "lambada_openai": ("lambada/lambada_openai.yaml", "lambada_openai"),
}


def write_own_tasks(root: Path, sets: Path, tasks: Sequence[str], subjects: Sequence[str] = ()) -> Path:
    """Write task files of lm-eval that read plain JSON lines, and those lines."""
    import lm_eval.tasks

    theirs = Path(lm_eval.tasks.__file__).parent
    root.mkdir()
    for task in tasks:
        file, place = PLACES[task]
        data = {split: rows(sets / place, split) for split in ("train", "validation", "test")}
        _own_task(root, task, theirs / file, data)
    for subject in subjects:
        data = {
            split: [row for row in rows(sets / "mmlu" / "all", split) if row["subject"] == subject]
            for split in ("dev", "test")
        }
        name = f"mmlu_{subject}"
        _own_task(root, name, theirs / "mmlu" / "default" / f"{name}.yaml", data)
    return root


def rows(folder: Path, split: str) -> Rows:
    """Read the rows of a split; none where it is not there."""
    for ending in (".jsonl", ".jsonl.zst"):
        if (folder / f"{split}{ending}").is_file():
            return pl.read_ndjson(folder / f"{split}{ending}", infer_schema_length=None).to_dicts()
    return []


def _own_task(root: Path, task: str, include: Path, data: Mapping[str, Rows]) -> None:
    files = {}
    for split, found in data.items():
        if found:
            write_rows(root / f"{task}-{split}.jsonl", found)
            files[split] = str(root / f"{task}-{split}.jsonl")
    content: dict[str, Any] = {
        "include": str(include),
        "task": task,
        "dataset_path": "json",
        "dataset_name": None,
        "dataset_kwargs": {"data_files": files},
    }
    if task == "hellaswag" and "train" not in files:
        content["training_split"] = None  # for 0 shots, which take none from it
    (root / f"{task}.yaml").write_text(json.dumps(content), encoding="utf-8")
