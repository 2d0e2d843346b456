"""`prepcore.Encoder` beside the Python library `tokenizers`: the same ids, real tokenizers and trained."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from tokenizers import AddedToken, Tokenizer

import prepcore
from tests.conformance.hostile import hostile, long_texts
from tests.conformance.trained import TRAINED, byte_level, trained

REAL = {
    "gpt2": "byte-level-bpe",
    "llama2": "sentencepiece-bpe",
    "llama3": "byte-level-bpe",
    "mistral-v1": "sentencepiece-bpe",
    "smollm2": "byte-level-bpe",
}
POLICIES = ("text", "parse")
TOGETHER = 4_000
"""Texts that are encoded in one call: the library's encodings take a hundred times the room of the ids."""


def library(path: Path, policy: str) -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = policy == "text"
    return tokenizer


def equal(path: Path, policy: str, texts: Iterable[str]) -> int:
    """Hold the ids of all texts against the library's; return how many texts there were."""
    referee, encoder = library(path, policy), prepcore.Encoder(path, special_tokens=policy)
    count = 0
    remaining = iter(texts)
    while batch := list(itertools.islice(remaining, TOGETHER)):
        count += len(batch)
        found = encoder.encode(batch).to_list()
        for text, ids, encoding in zip(
            batch, found, referee.encode_batch_fast(batch, add_special_tokens=False), strict=True
        ):
            if ids != encoding.ids:
                pairs = zip([*ids, None], [*encoding.ids, None], strict=False)
                place = next(place for place, (ours, theirs) in enumerate(pairs) if ours != theirs)
                near = text if len(text) < 300 else f"{text[:100]!r} and on"
                raise AssertionError(
                    f"{policy}, id {place}: {ids[place : place + 5]}, expected "
                    f"{encoding.ids[place : place + 5]}, in {near!r}"
                )
    return count


def added(path: Path) -> list[str]:
    tokens = [token.content for token in library(path, "parse").get_added_tokens_decoder().values()]
    return tokens[:20]


@pytest.fixture(params=REAL)
def real(request: pytest.FixtureRequest, shared: Path) -> Path:
    return shared / "data/tokenizers" / request.param / "tokenizer.json"


def test_the_fast_encoder_is_chosen(real: Path) -> None:
    for policy in POLICIES:
        encoder = prepcore.Encoder(real, special_tokens=policy)
        assert encoder.name == REAL[real.parent.name], encoder.proof
        assert "probe texts have the ids of the reference" in encoder.proof
        assert encoder.vocabulary_size == library(real, policy).get_vocab_size()


def mix(shared: Path, every: int, offset: int = 0) -> Iterable[str]:
    texts = pl.read_parquet(shared / "data/corpus/mix-60k.parquet", columns=["text"])["text"]
    for part in texts.gather_every(every, offset).to_frame().iter_slices(TOGETHER):
        yield from part["text"].to_list()


@pytest.mark.parametrize("policy", POLICIES)
def test_mix(real: Path, shared: Path, policy: str) -> None:
    # Other documents for each policy, which almost none of them can tell apart.
    assert equal(real, policy, mix(shared, 100, POLICIES.index(policy))) == 600


@pytest.mark.soak
@pytest.mark.parametrize("policy", POLICIES)
def test_all_of_mix(real: Path, shared: Path, policy: str) -> None:
    assert equal(real, policy, mix(shared, 1)) == 60_000


def declarations(shared: Path) -> list[str]:
    with pa.input_stream(shared / "data/lid/udhr2-multilingual.jsonl.zst", compression="zstd") as file:
        return [json.loads(line)["text"] for line in file.read().decode().split("\n") if line]


def test_many_languages(real: Path, shared: Path) -> None:
    texts = declarations(shared)
    assert equal(real, "text", texts) == len(texts) == 388


@pytest.mark.parametrize("policy", POLICIES)
def test_hostile_texts(real: Path, policy: str) -> None:
    assert equal(real, policy, hostile(10_000, 1 + POLICIES.index(policy), added(real))) == 10_000


@pytest.mark.soak
@pytest.mark.parametrize("policy", POLICIES)
def test_a_million_hostile_texts(real: Path, policy: str) -> None:
    assert equal(real, policy, hostile(1_000_000, 3, added(real))) == 1_000_000


def test_every_character(real: Path) -> None:
    def texts() -> Iterable[str]:
        for start in range(0, 0x110000, 2_048):
            characters = [
                chr(number) for number in range(start, start + 2_048) if not 0xD800 <= number < 0xE000
            ]
            yield "".join(characters)
            if start < 0x20000:
                for form in ("'{0} ", " {0}a", "{0}9{0} {0}{0}\n"):
                    yield "".join(form.format(character) for character in characters)

    equal(real, "text", texts())


def test_a_megabyte_without_a_space(real: Path) -> None:
    equal(real, "text", long_texts())


@pytest.mark.parametrize("policy", POLICIES)
def test_nothing_and_null(real: Path, policy: str) -> None:
    encoder = prepcore.Encoder(real, special_tokens=policy)
    texts = pl.Series(["", None, "a"])
    assert encoder.encode(texts).to_list() == [
        [],
        None,
        library(real, policy).encode("a", add_special_tokens=False).ids,
    ]
    assert encoder.encode([]).dtype == pl.List(pl.UInt32)


def test_a_policy_that_there_is_not(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="special_tokens: got 'keep', expected 'text' or 'parse'"):
        prepcore.Encoder(tmp_path, special_tokens="keep")
    with pytest.raises(prepcore.InputError):
        prepcore.Encoder(tmp_path / "absent.json")


@pytest.fixture(scope="module", params=TRAINED)
def chosen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    name, make = TRAINED[request.param]
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    make().save(str(path))
    return path, name


@pytest.mark.parametrize("policy", POLICIES)
def test_the_choice_is_right(chosen: tuple[Path, str], policy: str) -> None:
    path, name = chosen
    encoder = prepcore.Encoder(path, special_tokens=policy)
    assert encoder.name == name, encoder.proof
    assert ("no fast encoder runs: " in encoder.proof) == (name == "reference")
    assert equal(path, policy, hostile(4_000, 5, added(path))) == 4_000


@pytest.mark.parametrize("properties", [{"lstrip": True}, {"rstrip": True}, {"single_word": True}], ids=str)
@pytest.mark.parametrize("policy", POLICIES)
def test_tokens_that_take_spaces_or_whole_words(
    properties: dict[str, bool], policy: str, tmp_path: Path
) -> None:
    tokens = [
        AddedToken("<mask>", special=True, normalized=False, **properties),
        AddedToken("the", normalized=True, **properties),
    ]
    path = tmp_path / "tokenizer.json"
    trained(byte_level(), tokens=tokens).save(str(path))
    assert prepcore.Encoder(path, special_tokens=policy).name == "reference"
    equal(path, policy, hostile(3_000, 6, ["<mask>", "the", "the the"]))
