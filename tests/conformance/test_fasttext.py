"""`prepcore.FastText` beside the fastText library: labels and scores, bit for bit."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

import prepcore

library = pytest.importorskip("fasttext", reason="needs the fastText library: the extra 'classifier'")

SEPARATORS = " \t\r\v\f\0"
NOT_SEPARATORS = "\x85\xa0\u2003\u2028\u3000\x1c\x1d\x1e\x1f"
LETTERS = "abcdefghijklmnopqrstuvwxyzABC.,'-0189éüßñçøабвгдеёжσπλאבגدهو中文字日本語한국어ไทย😀"  # noqa: RUF001


def equal(model: prepcore.FastText, referee: Any, texts: list[str], newline: str = "") -> None:
    """Hold label and score of each text against the library's."""
    ours = model.predict(texts)
    theirs = [referee.predict(text.replace("\n", newline)) for text in texts]
    labels = [labels[0] if labels else None for labels, _ in theirs]
    scores = [np.float32(scores[0]) if len(scores) else None for _, scores in theirs]
    assert ours["label"].to_list() == labels
    assert bits(ours["score"]) == bits(pl.Series(scores, dtype=pl.Float32))


def equal_scores(
    model: prepcore.FastText, referee: Any, texts: list[str], threshold: float, every: int = 1
) -> None:
    """Hold some labels' scores, of a model that sees spaces, against the library's."""
    theirs = [referee.predict(text.replace("\n", " "), k=-1, threshold=threshold) for text in texts]
    for label in model.labels[::every]:
        wanted = [dict(zip(*answer, strict=True)).get(label) for answer in theirs]
        found = model.scores(texts, label, threshold)
        assert bits(found) == bits(pl.Series(wanted, dtype=pl.Float32)), label


def bits(scores: pl.Series) -> list[int | None]:
    return scores.cast(pl.Float32).reinterpret(signed=False).to_list()


def made(count: int, seed: int, words: list[str]) -> list[str]:
    """Texts with all that is odd: separators and what only looks like one, labels, ends, long words."""
    draw = random.Random(seed)

    def word() -> str:
        match draw.randrange(16):
            case 0:
                return draw.choice(["</s>", "</s>x", "x</s>", "__label__en", "__label__", "__labe", "<", ">"])
            case 1:
                return "".join(draw.choices(LETTERS, k=draw.choice([23, 24, 25, 31, 32, 33, 64])))
            case 2:
                return "a" * draw.choice([23, 24, 25, 31, 32, 33])
            case 3 | 4 | 5 | 6:
                return "".join(draw.choices(LETTERS, k=draw.randint(1, 9)))
            case _:
                return draw.choice(words)

    def text() -> str:
        between = (" ", " ", " ", " ", "\n", "\n\n", *SEPARATORS, *NOT_SEPARATORS)
        length = draw.choice([0, 1, 2, 5, 20, 60])
        return "".join(word() + draw.choice(between) for _ in range(length))

    return [text() for _ in range(count)]


WORDS = "the of and to in is was die der und le la les el que не и в на 的 是 에 the</s> Wikipedia".split()  # noqa: SIM905


@pytest.fixture(scope="module")
def lid(shared: Path) -> tuple[prepcore.FastText, Any]:
    path = shared / "data/lid/lid.176.ftz"
    return prepcore.FastText(path), library.load_model(str(path))


def lines(path: Path) -> list[str]:
    with pa.input_stream(path, compression="zstd") as file:
        return [json.loads(line)["text"] for line in file.read().decode().split("\n") if line]


@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.soak)])
def test_mix(lid: tuple[prepcore.FastText, Any], shared: Path, every: int) -> None:
    texts = pl.read_parquet(shared / "data/corpus/mix-60k.parquet", columns=["text"])["text"]
    equal(*lid, texts.gather_every(every).to_list())


@pytest.mark.parametrize("name", ["lid-lingua-sentences", "udhr2-multilingual"])
def test_many_languages(lid: tuple[prepcore.FastText, Any], shared: Path, name: str) -> None:
    equal(*lid, lines(shared / f"data/lid/{name}.jsonl.zst"))


def test_made_texts(lid: tuple[prepcore.FastText, Any]) -> None:
    texts = made(20_000, 1, WORDS)
    texts += [
        "",
        "\n",
        " ",
        "\0",
        "x" * 100_000,
        "é" * 100_000,
        "a b " * 100_000,
        "</s>",
        "a</s>\nb",
        "a </\ns> b",
    ]
    equal(*lid, texts)


def test_scores_of_each_label(shared: Path) -> None:
    path = shared / "data/lid/lid.176.ftz"
    model, referee = prepcore.FastText(path, newline="space"), library.load_model(str(path))
    texts = made(200, 2, WORDS)
    for threshold in (0.0, 0.01, 0.4, 1.0):
        equal_scores(model, referee, texts, threshold)


# Models of every kind. Quantising wants 256 rows, of labels too where the output is quantised.

LABELS = 300
VOCABULARY = 600


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Path:
    draw = random.Random(3)
    words = ["".join(draw.choices(LETTERS, k=draw.randint(1, 8))) for _ in range(VOCABULARY)]
    path = tmp_path_factory.mktemp("training") / "training.txt"
    with path.open("w") as file:
        for row in range(2_000):
            # Labels of falling, different and equal counts.
            label = row % LABELS if row < LABELS else draw.randrange(1 + draw.randrange(LABELS))
            near = draw.choices(words[label : label + 40], k=draw.randint(3, 12))
            print(f"__label__{label}", *near, file=file)
    return path


def texts_for(training: Path) -> list[str]:
    known = [line.split(" ", 1)[1] for line in training.read_text().splitlines()]
    vocabulary = sorted({word for line in known for word in line.split()})
    return [*known[:300], *made(700, 4, vocabulary), "", "</s>"]


NGRAMS = {
    "words": {"wordNgrams": 1, "minn": 0, "maxn": 0},
    "word pairs": {"wordNgrams": 2, "minn": 0, "maxn": 0},
    "characters": {"wordNgrams": 1, "minn": 2, "maxn": 4},
    "longer characters": {"wordNgrams": 1, "minn": 3, "maxn": 6},
    "both": {"wordNgrams": 3, "minn": 1, "maxn": 3},
}
QUANTISED: dict[str, dict[str, Any] | None] = {
    "dense": None,
    "quantised": {"qnorm": False},
    "norms": {"qnorm": True, "dsub": 3},
    "output": {"qnorm": False, "qout": True},
    "output and norms": {"qnorm": True, "qout": True},
    "pruned": {"qnorm": True, "cutoff": 800, "retrain": True},
    "pruned, output": {"qnorm": False, "cutoff": 500, "qout": True, "dsub": 5},
}


@pytest.mark.parametrize("loss", ["softmax", "hs", "ns", "ova"])
@pytest.mark.parametrize("ngrams", NGRAMS)
def test_models_of_every_kind(training: Path, tmp_path: Path, loss: str, ngrams: str) -> None:
    texts = texts_for(training)
    for name, quantised in QUANTISED.items():
        dimension = 16 if loss == "hs" else 10
        referee = library.train_supervised(
            str(training),
            loss=loss,
            dim=dimension,
            bucket=2_000,
            epoch=3,
            lr=0.5,
            thread=1,
            verbose=0,
            **NGRAMS[ngrams],
        )
        if quantised is not None:
            referee.quantize(input=str(training), thread=1, verbose=0, **quantised)
        path = tmp_path / f"{name}.ftz"
        referee.save_model(str(path))
        # What training leaves in memory may differ from the file, such as the prefix of labels.
        referee = library.load_model(str(path))
        assert prepcore.FastText(path).labels == referee.labels
        equal(prepcore.FastText(path), referee, texts)
        spaced = prepcore.FastText(path, newline="space")
        equal(spaced, referee, texts, " ")
        for threshold in (0.0, 0.01):
            equal_scores(spaced, referee, texts[250:350], threshold, every=50)
