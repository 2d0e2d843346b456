"""`evaluate --perplexity`: every token scored once, as a plain loop and as lm-eval have it."""

from __future__ import annotations

import contextlib
import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from torch.nn import functional as F
from transformers import AutoModelForCausalLM

from prepcore.arguments import UsageError
from tests.trainer.folders import random_documents, write_token_folder
from tests.trainer.models import model_folder
from tests.trainer.test_cli import here
from trainer.evaluate.measure import Outcome
from trainer.evaluate.perplexity import Perplexity, id_before, windows
from trainer.evaluate.subject import Subject

pytest.importorskip("lm_eval", reason="the extra `eval` is not installed")

from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from lm_eval.utils import get_rolling_token_windows

CONTEXT = 32
WORDS = [
    f"The {word} was {'very ' * (n % 9)}far away, she said." for n, word in enumerate(["lamp", "ship"] * 9)
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model_folder(tmp_path_factory.mktemp("model") / "tiny", max_position_embeddings=CONTEXT)


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("texts") / "texts.jsonl"
    pl.DataFrame({"text": WORDS}).write_ndjson(path)
    return path


def measured(path: Path, model: Path, *, bos: bool | None = None, batch: int = 3, **how: Any) -> Outcome:
    measure = Perplexity(path=path, label=path.name, checkpoints=(model,), **how)
    measure.check()
    return measure.run(Subject(model, "fp32", "cpu", bos, batch))


def by_hand(model: Path, documents: list[list[int]], before: int, *, context: int, stride: int) -> float:
    """Return the nats of documents, each token from the window that scores it first, by itself."""
    network = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    nats = 0.0
    for document in documents:
        whole = [before, *document]
        end = 0  # tokens scored so far
        while end < len(document):
            start, end = end, min(len(document), end + (stride if end else context))
            for place in range(start, end):
                read = whole[max(0, end - context) : place + 1]
                with torch.no_grad():
                    logits = network(input_ids=torch.tensor([read]), use_cache=False).logits[0, -1]
                nats += F.cross_entropy(logits, torch.tensor(document[place])).item()
    return nats


@given(length=st.integers(1, 70), context=st.integers(1, 20), share=st.floats(0.01, 1.0))
def test_windows_score_each_token_once_in_order(length: int, context: int, share: float) -> None:
    stride = max(1, int(context * share))
    ids = list(range(100, 100 + length))
    cut = list(windows(ids, 7, context=context, stride=stride))
    assert [token for window in cut for token in window.targets] == ids
    whole = [7, *ids]
    for window in cut:
        assert 1 <= len(window.targets) <= len(window.read) <= context
        last = whole.index(window.read[-1])
        assert list(window.read) == whole[last + 1 - len(window.read) : last + 1]
        assert whole[last + 1] == window.targets[-1]


@given(length=st.integers(1, 70), context=st.integers(1, 20), overlap=st.integers(0, 19))
def test_windows_are_those_of_lm_eval(length: int, context: int, overlap: int) -> None:
    before = min(overlap, context - 1)
    ids = list(range(100, 100 + length))
    theirs = list(
        get_rolling_token_windows(token_list=ids, prefix_token=7, max_seq_len=context, context_len=before + 1)
    )
    ours = [
        (list(w.read), list(w.targets)) for w in windows(ids, 7, context=context, stride=context - before)
    ]
    assert ours == theirs


@pytest.mark.parametrize("stride", [CONTEXT, 10])
def test_the_figures_by_hand(model: Path, texts: Path, stride: int) -> None:
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    documents = [tokenizer.encode(text, add_special_tokens=False).ids for text in WORDS]
    assert max(map(len, documents)) > 2 * CONTEXT
    outcome = measured(texts, model, stride=stride)
    nats = by_hand(model, documents, 1, context=CONTEXT, stride=stride)
    tokens = sum(map(len, documents))
    size = sum(len(text.encode()) for text in WORDS)
    assert outcome.scores["loss"].value == pytest.approx(nats / tokens, abs=1e-5)
    assert outcome.scores["perplexity"].value == pytest.approx(math.exp(nats / tokens), rel=1e-5)
    assert outcome.scores["bits_per_byte"].value == pytest.approx(nats / math.log(2) / size, abs=1e-5)
    assert outcome.details["tokens"] == tokens
    assert outcome.details["bytes"] == size
    assert outcome.documents == len(WORDS)
    assert not outcome.higher_is_better


def test_it_is_the_rolling_likelihood_of_lm_eval(model: Path, texts: Path) -> None:
    with contextlib.redirect_stderr(io.StringIO()):
        # Its cache of logits takes windows of the same tokens for one, whichever of them are to be scored.
        how = {"add_bos_token": False, "logits_cache": False}
        theirs = HFLM(str(model), device="cpu", dtype="float32", batch_size=4, **how)
        rolled = theirs.loglikelihood_rolling(
            [Instance("loglikelihood_rolling", {}, (text,), 0) for text in WORDS], disable_tqdm=True
        )
    outcome = measured(texts, model)
    assert outcome.scores["loss"].value * outcome.details["tokens"] == pytest.approx(-sum(rolled), rel=1e-6)


@pytest.mark.parametrize("batch", [1, 4, 64])
def test_batches_change_nothing(model: Path, texts: Path, batch: int) -> None:
    one = measured(texts, model, batch=2).scores["loss"].value
    assert measured(texts, model, batch=batch).scores["loss"].value == pytest.approx(one, abs=1e-6)


def test_the_same_texts_in_any_kind_of_file(model: Path, texts: Path, tmp_path: Path) -> None:
    pl.DataFrame({"body": WORDS}).write_parquet(tmp_path / "texts.parquet")
    folder = tmp_path / "folder"
    (folder / "deeper").mkdir(parents=True)
    for number, text in enumerate(WORDS):
        (folder / ("deeper" if number % 2 else ".") / f"{number}.txt").write_text(text)
    (folder / ".hidden.txt").write_text("not this one")
    loss = measured(texts, model).scores["loss"].value
    for path, how in ((tmp_path / "texts.parquet", {"column": "body"}), (folder, {})):
        found = measured(path, model, **how)
        assert found.documents == len(WORDS)
        assert found.scores["loss"].value == pytest.approx(loss, abs=1e-6)
    first = measured(texts, model, limit=2)
    assert first.documents == 2
    assert first.details["bytes"] == len(WORDS[0]) + len(WORDS[1])


def test_other_documents_are_other_settings(texts: Path, tmp_path: Path) -> None:
    def settings(path: Path) -> Mapping[str, Any]:
        return Perplexity(path=path, label="the same").settings()

    other = tmp_path / "other.jsonl"
    other.write_bytes(texts.read_bytes())
    assert settings(other) == settings(texts)
    other.write_bytes(texts.read_bytes().replace(b"lamp", b"mill"))
    assert settings(other) != settings(texts)
    one, two = (
        write_token_folder(tmp_path / name, [random_documents(9, seed=seed)])
        for seed, name in enumerate(("one", "two"))
    )
    assert settings(one) != settings(two)


def test_a_token_folder(model: Path, tmp_path: Path) -> None:
    """Its held-out documents, without the beginning token and with the end token."""
    train, held_out = random_documents(9), random_documents(5, seed=1, longest=80)
    folder = write_token_folder(tmp_path / "tokens", [train], validation=held_out)
    outcome = measured(folder, model)
    documents = [document[1:] for document in held_out]
    nats = by_hand(model, documents, 1, context=CONTEXT, stride=CONTEXT)
    tokens = sum(map(len, documents))
    assert outcome.scores["loss"].value == pytest.approx(nats / tokens, abs=1e-5)
    assert outcome.details["tokens"] == tokens
    assert outcome.details["split"] == "validation"
    size = json.loads((folder / "manifest.json").read_text())["validation"]["bytes"]
    assert outcome.details["bytes"] == size
    assert outcome.scores["bits_per_byte"].value == pytest.approx(nats / math.log(2) / size, abs=1e-5)
    everything = write_token_folder(tmp_path / "all", [train[:4], train[4:]])
    found = measured(everything, model)
    assert found.documents == len(train)
    assert found.details["split"] == "train"


def test_what_stands_before_a_document(model: Path, tmp_path: Path) -> None:
    assert [id_before(Subject(model, "fp32", "cpu", bos)) for bos in (None, True, False)] == [1, 1, 2]
    bare = model_folder(tmp_path / "bare", bos_token_id=None, eos_token_id=None)
    (bare / "tokenizer_config.json").write_text("{}")
    with pytest.raises(UsageError, match="has no end token"):
        id_before(Subject(bare, "fp32", "cpu", False))


def test_stories(stories: Path, shared: Path) -> None:
    """stories260k on the sample of TinyStories: 200 stories, each by itself after the beginning token."""
    sample = shared / "data" / "corpus" / "tinystories-sample.jsonl.zst"
    outcome = measured(sample, stories, limit=200, batch=16)
    assert 4.0 < outcome.scores["perplexity"].value < 4.6


def test_paths_are_called_by_what_tells_them_apart(model: Path, texts: Path, tmp_path: Path) -> None:
    words = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        words.append(str(tmp_path / name / "same.jsonl"))
        Path(words[-1]).write_bytes(texts.read_bytes())
    where = ["--out", tmp_path / "out.json", "--limit", "2"]
    assert here("evaluate", model, "--perplexity", ",".join([*words, str(texts)]), *where) == 0
    found = json.loads((tmp_path / "out.json").read_text())["results"]
    assert list(found) == ["perplexity:one/same.jsonl", "perplexity:two/same.jsonl", "perplexity:texts.jsonl"]


def test_mistakes_are_refused(
    model: Path, texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write_token_folder(tmp_path / "tokens", [random_documents(3)])
    tokenizer = other / "tokenizer" / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text().replace('"a":', '"Ä":'))
    (tmp_path / "empty").mkdir()
    for words, said in (
        (["--perplexity", str(tmp_path / "nowhere")], "there is no"),
        (["--perplexity", str(tmp_path / "empty")], "has no files of text"),
        (["--perplexity", str(texts), "--text-column", "body"], "has no column 'body' of text"),
        (["--perplexity", str(other)], "are other tokens in"),
        (["--perplexity", str(texts), "--context", "8", "--stride", "9"], "stride is 9, wanted at most"),
    ):
        assert here("evaluate", str(model), *words) == 2, words
        assert said in capsys.readouterr().err
    assert here("evaluate", str(model), "--perplexity", str(texts), "--stride", "33") == 1
    assert "stride is 33, wanted at most 32" in capsys.readouterr().err
