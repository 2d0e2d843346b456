"""`prepcore classifier train` as it is typed, on prose and program text from Python's own library."""

from __future__ import annotations

import gzip
import importlib
import inspect
import json
import shlex
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

import pytest

pytest.importorskip("prepcore._core", reason="the Rust extension is not built")
fasttext = pytest.importorskip("fasttext", reason="the fastText library is not installed")

import prepcore  # noqa: E402 - what it needs is looked for first
from prepcore.arguments import UsageError  # noqa: E402
from prepcore.classifier.documents import line_of, split  # noqa: E402
from prepcore.classifier.scores import measures, threshold_for  # noqa: E402
from prepcore.classifier.settings import ClassifierTraining, TrainingSettings  # noqa: E402

MODULES = ["argparse", "ast", "asyncio", "collections", "csv", "datetime", "decimal", "difflib", "email"]
MODULES += ["functools", "heapq", "inspect", "json", "logging", "pathlib", "pickle", "random", "shutil"]
MODULES += ["socket", "statistics", "string", "subprocess", "tarfile", "textwrap", "zipfile"]


def pieces(text: str) -> list[str]:
    """Cut a text into documents of a dozen lines."""
    lines = [line for line in text.splitlines() if line.strip()]
    return ["\n".join(lines[at : at + 12]) for at in range(0, len(lines) - 12, 12)]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Docstrings as `good.jsonl.gz`, and program text as a folder `bad` of files."""
    folder = tmp_path_factory.mktemp("corpus")
    loaded = [importlib.import_module(name) for name in MODULES]
    named = [member for module in loaded for member in vars(module).values()]
    inner = [member for one in named if inspect.isclass(one) for member in vars(one).values()]
    prose = {inspect.getdoc(member) or "" for member in [*loaded, *named, *inner]}
    documents = sorted(text for text in prose if len(text) > 120)
    with gzip.open(folder / "good.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps({"text": text}) + "\n" for text in documents)
    (folder / "bad").mkdir()
    for name in MODULES:
        for number, text in enumerate(pieces(Path(_source(name)).read_text(encoding="utf-8"))[:40]):
            (folder / "bad" / f"{name}-{number:03}.txt").write_text(text, encoding="utf-8")
    return folder


def _source(name: str) -> str:
    return str(inspect.getsourcefile(importlib.import_module(name)))


def train(*words: object, exit_code: int = 0, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "prepcore", "classifier", "train", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=300, check=False)
    assert done.returncode == exit_code, f"{done.args}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done


SMALL = ("--dim", 8, "--epochs", 20, "--learning-rate", 0.5)


def test_a_model_that_tells_prose_from_programs(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "prose.bin"
    done = train(
        corpus / "good.jsonl.gz", "--against", corpus / "bad", "--out", out, *SMALL, "--keep-rate", "40%"
    )
    manifest = json.loads((tmp_path / "prose.bin.json").read_text(encoding="utf-8"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["prose.bin", "prose.bin.json"]
    # Chance gives a ranking of one half.
    assert manifest["measures"]["ranking"] > 0.9
    assert manifest["measures"]["f1"] > 0.8
    for facts in manifest["classes"].values():
        read = facts["drawn"] - facts["blank"] - facts["of_both_classes"]
        assert facts["training"] + facts["held_out"] == read
        assert facts["held_out"] == round(read * 0.1)
    model = fasttext.load_model(str(out))
    assert set(model.labels) == {"__label__good", "__label__bad"}
    assert model.predict("Return the number of items, or raise an error when there are none.")[0] == (
        "__label__good",
    )
    suggested = shlex.split(manifest["next"])
    assert f"next: {manifest['next']}\n" in done.stdout
    threshold = str(manifest["threshold"])
    assert suggested == [
        "prepcore", "clean", str(corpus / "bad"), "--out", "cleaned",
        "--classifier", str(out), "--label", "good", "--min-score", threshold,
    ]  # fmt: skip
    held_out = sum(facts["held_out"] for facts in manifest["classes"].values())
    assert abs(manifest["kept_by_threshold"] - 0.4) < 2 / held_out
    cleaned = subprocess.run(
        [sys.executable, "-m", *suggested, "--quiet", "--json"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    )
    counts = json.loads(cleaned.stdout)["counts"]
    assert counts["dropped"]["low_score"] > counts["kept"], "programs are not prose"


def test_the_same_documents_give_the_same_bytes(corpus: Path, tmp_path: Path) -> None:
    manifests = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        train(
            corpus / "good.jsonl.gz", "--against", corpus / "bad", "--out", tmp_path / name / "m.bin", *SMALL
        )
        manifests.append(json.loads((tmp_path / name / "m.bin.json").read_text(encoding="utf-8")))
    assert (tmp_path / "one/m.bin").read_bytes() == (tmp_path / "two/m.bin").read_bytes()
    assert [manifest.pop("next").count("m.bin") for manifest in manifests] == [1, 1]
    assert manifests[0] == manifests[1]


def test_a_small_model_other_labels_a_sample_and_a_pool(corpus: Path, tmp_path: Path) -> None:
    pool = tmp_path / "pool.jsonl"
    texts = [f"def function_{number}(self): return {number}" for number in range(50)]
    lines = [json.dumps({"text": text}) for text in texts]
    pool.write_text("\n".join([*lines, "no JSON", json.dumps({"text": texts[0]})]), encoding="utf-8")
    out = tmp_path / "prose.ftz"
    done = train(
        corpus / "good.jsonl.gz", "--against", corpus / "bad", "--out", out, "--quantize", "--labels",
        "prose,code", "--sample", 300, "--pool", pool, "--keep-rate", "50%", "--json", *SMALL,
    )  # fmt: skip
    manifest = json.loads(done.stdout)
    assert "score of at least" in done.stderr
    assert manifest == json.loads((tmp_path / "prose.ftz.json").read_text(encoding="utf-8"))
    assert {name: facts["drawn"] for name, facts in manifest["classes"].items()} == {
        "prose": 300,
        "code": 300,
    }
    # A document that comes again is drawn once.
    assert [manifest["pool"][name] for name in ("documents", "drawn", "unreadable")] == [52, 50, 1]
    model = fasttext.load_model(str(out))
    assert model.is_quantized()
    scores = [dict(zip(*model.predict(text, k=-1), strict=True))["__label__prose"] for text in texts]
    kept = sum(score >= manifest["threshold"] for score in scores)
    assert kept == round(manifest["kept_by_threshold"] * 50)
    assert str(pool) in manifest["next"]


def refused(*words: object, cwd: Path | None = None) -> str:
    return train(*words, exit_code=2, cwd=cwd).stderr


def test_what_cannot_be_done_is_refused_before_it_begins(corpus: Path, tmp_path: Path) -> None:
    good, bad = corpus / "good.jsonl.gz", corpus / "bad"
    (tmp_path / "there.bin").write_text("somebody's")
    assert "there.bin: exists already\nhint: " in refused(
        good, "--against", bad, "--out", tmp_path / "there.bin"
    )
    missing = tmp_path / "no/m.bin"
    assert f"the folder {missing.parent} does not exist" in refused(good, "--against", bad, "--out", missing)
    assert "expected a name in .ftz with --quantize" in refused(
        good, "--against", bad, "--out", tmp_path / "m.bin", "--quantize"
    )
    (tmp_path / "few.txt").write_text("one document")
    few = refused(tmp_path / "few.txt", "--against", bad, "--out", tmp_path / "m.bin")
    assert "gives 0 documents to learn from, expected at least 10 (1 rows read, 0 unreadable, 1 drawn" in few
    both = refused(good, "--against", good, "--out", tmp_path / "m.bin")
    assert "in both classes" in both
    assert "none: no such file" in refused(good, "--against", tmp_path / "none", "--out", tmp_path / "m.bin")
    assert "--against must be given" in refused(good, "--out", tmp_path / "m.bin")
    assert "is not two different words" in refused(
        good, "--against", bad, "--out", tmp_path / "m.bin", "--labels", "good,good"
    )
    rare = refused(good, "--against", bad, "--out", tmp_path / "m.bin", "--min-count", 10**6)
    assert "--min-count: no word comes 1,000,000 times\nhint: lower --min-count" in rare
    diverged = train(
        good, "--against", bad, "--out", tmp_path / "m.bin", "--learning-rate", 10**9, exit_code=1
    )
    assert "hint: where it met numbers too large, lower --learning-rate" in diverged.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["few.txt", "there.bin"]


def test_a_missing_library_is_named_with_the_command_that_installs_it(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "fasttext.py").write_text("raise ImportError('No module named fasttext')")
    said = refused(
        corpus / "good.jsonl.gz", "--against", corpus / "bad", "--out", tmp_path / "m.bin", cwd=tmp_path
    )
    assert "needs the fastText library" in said
    assert "pip install 'fasttext-community" in said


def test_words_of_two_word_commands() -> None:
    def said(*words: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "prepcore", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout + done.stderr

    assert said("classifier") == (
        2,
        "prepcore: error: 'classifier' is not a command\nhint: did you mean prepcore classifier train?\n",
    )
    assert "did you mean prepcore classifier train?" in said("classifier", "trian")[1]
    code, text = said("classifier", "train", "--help")
    assert code == 0
    assert text.startswith("usage: prepcore classifier train GOOD… --against BAD,… --out FILE [options]")
    assert "classifier train" in said("--help")[1]


def test_the_function_takes_the_settings_of_the_command_and_checks_them(corpus: Path, tmp_path: Path) -> None:
    assert set(get_type_hints(TrainingSettings)) == {field.name for field in fields(ClassifierTraining)}
    with pytest.raises(UsageError, match="--dim: got 0, expected"):
        prepcore.train_classifier(corpus / "bad", against=corpus / "bad", out=tmp_path / "m.bin", dim=0)
    with pytest.raises(UsageError, match=r"--held-out: .* is not a share"):
        prepcore.train_classifier(corpus / "bad", against=corpus / "bad", out=tmp_path / "m", held_out=2.0)
    settings: Any = {"dim": 4, "epochs": 1, "held_out": 0.0}
    manifest = prepcore.train_classifier(
        corpus / "good.jsonl.gz", against=corpus / "bad", out=tmp_path / "m.bin", **settings
    )
    assert manifest["measures"] == {"precision": None, "recall": None, "f1": None, "ranking": None}
    assert manifest["threshold"] is None


def test_words_that_look_like_labels_do_not_become_labels() -> None:
    assert line_of("a __label__good\n__label__x b c__label__d") == "a   b c__label__d"


def test_no_line_is_on_both_sides_and_the_side_depends_on_the_line() -> None:
    good, bad = [f"good {number}" for number in range(200)], [f"bad {number}" for number in range(100)]
    halves = split([*good, "same"], ["same", *bad], 0.25)
    assert [len(half.held_out) for half in halves] == [50, 25]
    assert [half.facts["of_both_classes"] for half in halves] == [1, 1]
    for half, lines in zip(halves, (good, bad), strict=True):
        assert sorted(half.training + half.held_out) == sorted(lines)
    reversed_halves = split(good[::-1], bad[::-1], 0.25)
    assert [set(half.held_out) for half in reversed_halves] == [set(half.held_out) for half in halves]
    assert len(split(good[:11], bad[:11], 0.01)[0].held_out) == 1


def test_the_ranking_is_that_of_every_pair() -> None:
    good, bad = [0.9, 0.5, 0.5, 0.2, 0.7], [0.5, 0.1, 0.7, 0.7]
    pairs = [(one > other) + (one == other) / 2 for one in good for other in bad]
    assert measures(good, bad)["ranking"] == sum(pairs) / len(pairs)
    assert measures([], bad)["ranking"] is None


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99, 1.0])
def test_a_threshold_keeps_what_was_asked_for(share: float) -> None:
    scores = [number / 997 for number in range(0, 997, 7)]
    threshold, kept = threshold_for(scores, share)
    assert kept == sum(score >= threshold for score in scores) / len(scores)
    assert abs(kept - share) <= 1 / len(scores)
