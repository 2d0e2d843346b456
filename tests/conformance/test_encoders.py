"""`prepcore.Encoder` beside the Python library `tokenizers`: the same ids, for real and trained tokenizers."""

# ruff: noqa: RUF001 -- letters that look like others are the point here
from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

import prepcore
from tests.conformance.hostile import hostile, long_texts

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


# Tokenizers trained here, each with something of its own: which encoder runs; ids are the same either way.

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
QWEN = LLAMA3.replace("{1,3}", "")
GPT2_BUT_PAIRS = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}{1,2}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
ALPHABET = pre_tokenizers.ByteLevel.alphabet()


def corpus() -> list[str]:
    """Return the texts that tokenizers are trained on: words that recur, and what is hostile."""
    draw = random.Random(11)
    letters = "eeeetttaaooinnsshrrdlucmfwygpbvkéßжиаنا日本中文한국"
    words = ["".join(draw.choices(letters, k=draw.randint(1, 8))) for _ in range(400)]
    lines = [" ".join(draw.choices(words, k=12)).capitalize() + draw.choice(".!?\n") for _ in range(1_500)]
    return [*lines, *hostile(1_500, 12)]


def trained(
    pre_tokenizer: Any,
    *,
    normalizer: Any = None,
    tokens: list[AddedToken | str] | None = None,
    alphabet: list[str] = ALPHABET,
    special: list[str] | None = None,
    **model: Any,
) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(**model))
    tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    trainer = trainers.BpeTrainer(
        vocab_size=1_200, initial_alphabet=alphabet, special_tokens=special or [], show_progress=False
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    tokenizer.add_tokens(tokens or [])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def by_expression(expression: str, behavior: str = "isolated", invert: bool = False) -> Any:
    split = pre_tokenizers.Split(Regex(expression), behavior, invert)
    return pre_tokenizers.Sequence([split, byte_level(False)])


def byte_level(use_regex: bool = True, add_prefix_space: bool = False) -> Any:
    return pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space, use_regex=use_regex)


def digits(**space: bool) -> Any:
    return pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level(**space)])


def edited(tokenizer: Tokenizer, change: Callable[[dict[str, Any]], object]) -> Tokenizer:
    definition = json.loads(tokenizer.to_str())
    change(definition)
    return Tokenizer.from_str(json.dumps(definition))


def sentence_piece(space: str = "▁") -> Tokenizer:
    """Return a tokenizer of Llama-2's shape, trained on whole texts: merges reach across spaces."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", space)])
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(
        vocab_size=1_500, special_tokens=tokens, limit_alphabet=300, show_progress=False
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    # Bytes are tokens of the model, not added ones.
    return edited(
        tokenizer, lambda definition: definition.update(added_tokens=definition["added_tokens"][:3])
    )


def ignoring_merges() -> Tokenizer:
    def change(definition: dict[str, Any]) -> None:
        definition["model"]["ignore_merges"] = True
        # Words that merges do not make: only the look-up finds them.
        for token in ("zqxj", "ĠQzqx", "'ſ"):
            definition["model"]["vocab"].setdefault(token, len(definition["model"]["vocab"]))

    return edited(trained(by_expression(LLAMA3)), change)


FAST = "byte-level-bpe"
TRAINED: dict[str, tuple[str, Callable[[], Tokenizer]]] = {
    "composed, words and specials": (
        FAST,
        lambda: trained(
            byte_level(),
            normalizer=normalizers.NFC(),
            special=["<|endoftext|>"],
            tokens=[
                AddedToken("<ip>", normalized=True),
                AddedToken("e\u0301te\u0301", normalized=True),
                "word",
            ],
        ),
    ),
    "numbers by three": (FAST, lambda: trained(by_expression(LLAMA3), special=["<s>", "<s>x"])),
    "inverted": (FAST, lambda: trained(by_expression(LLAMA3, "removed", invert=True))),
    "numbers one by one, composed": (
        FAST,
        lambda: trained(by_expression(QWEN), normalizer=normalizers.NFC()),
    ),
    "merges ignored": (FAST, ignoring_merges),
    "digits first": (FAST, lambda: trained(digits(), special=["<|im_start|>"])),
    "bytes that are missing": (FAST, lambda: trained(digits(), alphabet=[])),
    "a space before": (
        FAST,
        lambda: trained(
            byte_level(add_prefix_space=True), tokens=[AddedToken("<ip>", normalized=True), "of"]
        ),
    ),
    "whole texts": ("sentencepiece-bpe", sentence_piece),
    # What no fast encoder is proven for.
    "another expression": ("reference", lambda: trained(by_expression(GPT2_BUT_PAIRS))),
    "another behaviour": ("reference", lambda: trained(by_expression(LLAMA3, "merged_with_next"))),
    "a space before digits": ("reference", lambda: trained(digits(add_prefix_space=True))),
    "a space before what is composed": (
        "reference",
        lambda: trained(
            byte_level(add_prefix_space=True),
            normalizer=normalizers.NFC(),
            tokens=[AddedToken("<ip>", normalized=True)],
        ),
    ),
    "lower case": ("reference", lambda: trained(byte_level(), normalizer=normalizers.Lowercase())),
    "unknown bytes": (
        "reference",
        lambda: trained(byte_level(), alphabet=[], special=["<unk>"], unk_token="<unk>"),
    ),
    "another space": ("reference", lambda: sentence_piece("_")),
    "no model of merges": (
        "reference",
        lambda: Tokenizer(models.Unigram([("a", -1.0), ("b", -2.0)], 0, True)),
    ),
}


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
