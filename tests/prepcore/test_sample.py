"""`prepcore sample`: some of the documents of one reason, or of those kept."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from tests.prepcore.seen import HOSTILE, NAME, clean, json_of, kept_text, prepcore, rows_of, write

pytest.importorskip("prepcore._core", reason="the Rust extension is not built")


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("sample") / "raw")


@pytest.fixture(scope="module")
def out(raw: Path) -> Path:
    return clean(raw, raw.parent / "out")


def sampled(*words: object) -> list[dict[str, object]]:
    return [json.loads(line) for line in prepcore("sample", *words, "--json").stdout.splitlines()]


def test_all_documents_of_a_reason_are_its_documents(raw: Path, out: Path) -> None:
    manifest = json.loads((out / "manifest.json").read_text())
    texts = {(file, row): json.loads(line)["text"] for file, row, line in rows_of(raw) if line}
    for reason, count in manifest["counts"]["dropped"].items():
        if not count:
            continue
        drawn = sampled(out, "--reason", reason, "--number", 1000)
        assert len(drawn) == count
        addresses = [(document["file"], document["row"]) for document in drawn]
        assert len(set(addresses)) == count
        for document, address in zip(drawn, addresses, strict=True):
            assert document["text"] == texts[address]
            assert document["reason"] == reason
            twin = document["twin"]
            assert (twin is not None) == (reason == "duplicate")
            if isinstance(twin, dict):
                assert texts[twin["file"], twin["row"]] == document["text"]


def test_a_seed_draws_the_same_again_and_another_others(out: Path) -> None:
    draws = {
        seed: [
            (document["file"], document["row"])
            for document in sampled(out, "--reason", "few_lines", "--seed", seed)
        ]
        for seed in (1, 2, 3)
    }
    assert draws[1] == [
        (document["file"], document["row"]) for document in sampled(out, "--reason", "few_lines", "--seed", 1)
    ]
    assert all(len(draw) == 5 for draw in draws.values())
    assert len({tuple(draw) for draw in draws.values()}) > 1


def test_documents_are_drawn_from_the_whole_ledger(out: Path) -> None:
    drawn = [
        document["file"]
        for seed in range(4)
        for document in sampled(out, "--reason", "few_lines", "--seed", seed)
    ]
    assert set(drawn) == {NAME, "deep/more.jsonl.gz"}


def test_kept_documents_have_their_addresses(raw: Path, out: Path) -> None:
    texts = {(file, row): json.loads(line)["text"] for file, row, line in rows_of(raw) if line}
    drawn = sampled(out, "--kept", "--number", 40)
    assert len(drawn) == 40
    for document in drawn:
        assert document["text"] == texts[document["file"], document["row"]]
        explained = (
            json_of("explain", out, "--file", document["file"], "--row", document["row"])
            if document is drawn[0]
            else None
        )
        assert explained is None or explained["fate"] == "kept"


def test_texts_do_not_steer_the_terminal(out: Path) -> None:
    done = prepcore("sample", out, "--reason", "few_lines", "--number", 100)
    assert not {"\x1b", "\x07", "\u202e"} & set(done.stdout)
    assert "\\u001b[31mred" in done.stdout
    assert f"── {NAME} row 7: few_lines, measured 1, threshold 3\n" in done.stdout
    assert HOSTILE in {
        document["text"] for document in sampled(out, "--reason", "few_lines", "--number", 100)
    }


def test_what_the_input_no_longer_holds_is_said(raw: Path, tmp_path: Path) -> None:
    source = tmp_path / "gone.jsonl"
    source.write_text(json.dumps({"text": "short"}) + "\n" + json.dumps({"text": kept_text(1)}) + "\n")
    out = clean(source, tmp_path / "out")
    source.unlink()
    (document,) = sampled(out, "--reason", "few_lines")
    assert document["text"] is None
    assert "not there any more" in str(document["missing"])
    assert "(not read: " in prepcore("sample", out, "--reason", "few_lines").stdout
    # What was kept lies in the folder itself.
    assert [document["text"] for document in sampled(out, "--kept")] == [kept_text(1)]


@pytest.mark.parametrize("form", ["parquet", "jsonl.gz"])
def test_kept_documents_of_every_format(tmp_path: Path, form: str) -> None:
    source = tmp_path / "raw.jsonl.gz"
    source.write_bytes(
        gzip.compress("".join(json.dumps({"text": kept_text(n)}) + "\n" for n in range(50)).encode())
    )
    out = clean(source, tmp_path / "out", "--format", form)
    drawn = sampled(out, "--kept", "--number", 50, "--seed", 3)
    assert [document["text"] for document in drawn] == [kept_text(n) for n in range(50)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "--reason, or --kept, must be given"),
        (["--kept", "--reason", "few_lines"], "--reason, or --kept, must be given, and not both"),
        (
            ["--reason", "few_line"],
            "'few_line' is not a reason of this folder\nhint: did you mean few_lines?",
        ),
        (["--reason", "repeated_chars"], "no document was dropped for repeated_chars\nhint: there are "),
        (["--reason", "few_lines", "--number", "0"], "--number: 0 is not a whole number from 1 to 100,000"),
    ],
)
def test_mistakes_are_refused(out: Path, words: list[str], said: str) -> None:
    assert said in prepcore("sample", out, *words, code=2).stderr
