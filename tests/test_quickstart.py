"""The demo's own parts: the texts it gathers and the bigram it is measured against."""

from __future__ import annotations

import ast
import csv
import importlib.util
import itertools
import json
import math
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

EXAMPLES = Path(__file__).parents[1] / "examples"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


np = pytest.importorskip("numpy")
bigram = load("bigram")
gatherer = load("gather_docstrings")


def slow_probability(pairs: list[tuple[int, int]], vocabulary: int, previous: int, word: int) -> float:
    """The same model by its definition, one pair at a time."""
    counts = Counter(pairs)
    discount = slow_discount(counts.values())
    contexts = Counter(w for _, w in counts)
    lower_discount = slow_discount([contexts[w] for w in range(vocabulary)])
    distinct = sum(contexts.values())
    lower = max(contexts[word] - lower_discount, 0) / distinct
    lower += lower_discount * len(contexts) / distinct / vocabulary
    seen = sum(count for (p, _), count in counts.items() if p == previous)
    if not seen:
        return lower
    followers = sum(1 for p, _ in counts if p == previous)
    kept = max(counts[previous, word] - discount, 0) / seen
    return kept + discount * followers / seen * lower


def slow_discount(counts: object) -> float:
    values = list(counts)  # type: ignore[call-overload]
    once, twice = values.count(1), values.count(2)
    return once / (once + 2 * twice) if once and twice else 0.5


def test_a_case_worked_out_by_hand() -> None:
    # 0 1 0 1 0 2: pairs 01 twice, 10 twice, 02 once. D = 1 / (1 + 2 * 2) = 0.2. Each word follows one
    # context, so the lower level has three counts of one and D = 0.5: twice 0.5 / 3 is 1 / 3 each.
    model = bigram.KneserNeyBigram(np.array([0, 1, 0, 1, 0]), np.array([1, 0, 1, 0, 2]), 3)
    previous, following = np.array([0, 0, 1, 2]), np.array([1, 0, 0, 1])
    # After 0: three pairs, two followers, 0.2 * 2 / 3 left. After 1: two pairs, one follower. After 2: none.
    wanted = [1.8 / 3 + 0.4 / 3 / 3, 0.4 / 3 / 3, 1.8 / 2 + 0.2 / 2 / 3, 1 / 3]
    assert model.probabilities(previous, following) == pytest.approx(wanted)


@given(st.lists(st.integers(0, 5), min_size=2, max_size=60))
def test_probabilities_sum_to_one_and_equal_the_definition(words: list[int]) -> None:
    pairs = list(itertools.pairwise(words))
    model = bigram.KneserNeyBigram(np.array(words[:-1]), np.array(words[1:]), 6)
    for previous in range(6):
        found = model.probabilities(np.full(6, previous), np.arange(6))
        assert found.sum() == pytest.approx(1)
        assert list(found) == pytest.approx([slow_probability(pairs, 6, previous, word) for word in range(6)])


def test_targets_are_those_of_whole_rows(tmp_path: Path) -> None:
    ids = np.arange(10, dtype="<u2") % 4
    manifest = {"dtype": "uint16", "sequence_length": 4, "tokenizer": {"vocabulary_size": 4}}
    for folder in (tmp_path, tmp_path / "validation"):
        folder.mkdir(exist_ok=True)
        ids.tofile(folder / "tokens-00000.ds")
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    previous, following = bigram.pairs_of(tmp_path, manifest)
    assert list(previous) == [0, 1, 2, 0, 1, 2]
    assert list(following) == [1, 2, 3, 1, 2, 3]
    # Every pair of the validation rows was seen twice, so each has its whole count but the discount.
    assert bigram.validation_loss(tmp_path) == pytest.approx(-math.log(1.5 / 2 + 0.25 * (0.5 / 3 + 0.5 / 4)))


def test_the_last_validation_of_a_run_is_read(tmp_path: Path) -> None:
    with (tmp_path / "metrics.csv").open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerows(
            [["step", "loss", "validation_loss"], [1, 5.0, ""], [2, "", 4.5], [3, "", 4.25], [4, 4, ""]]
        )
    assert bigram.last_validation(tmp_path) == (3, 4.25)


def test_docstrings_come_in_the_order_of_their_lines(tmp_path: Path) -> None:
    source = tmp_path / "library" / "module.py"
    source.parent.mkdir()
    source.write_text(
        '"""Module."""\nclass A:\n    """Class."""\n    def f(self):\n        """Method."""\ndef g(): pass\n'
    )
    (source.parent / "wrong.py").write_text("def (:\n")
    (source.parent / "test").mkdir()
    (source.parent / "test" / "skipped.py").write_text('"""Skipped."""\n')
    found = list(
        itertools.takewhile(lambda pair: not pair[0].startswith("topic:"), gatherer.gather(source.parent))
    )
    assert found == [("module.py:module", "Module."), ("module.py:A", "Class."), ("module.py:f", "Method.")]


def test_gathering_imports_nothing_of_the_library(tmp_path: Path) -> None:
    out = tmp_path / "raw.jsonl"
    program = str(EXAMPLES / "gather_docstrings.py")
    code = (
        "import sys, runpy; sys.argv = ['gather', sys.argv[1]];"
        f"runpy.run_path({program!r}, run_name='__main__');"
        "print('antigravity' in sys.modules, 'tkinter' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(out)], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"
    texts = [json.loads(line)["text"] for line in out.read_text(encoding="utf-8").splitlines()]
    assert len(texts) > 5_000
    assert sum(map(len, texts)) > 1_500_000


def test_examples_parse() -> None:
    for path in EXAMPLES.glob("*.py"):
        ast.parse(path.read_text(encoding="utf-8"))
    subprocess.run(["bash", "-n", EXAMPLES / "quickstart.sh"], check=True)
