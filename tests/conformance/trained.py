"""Tokenizers trained for tests and fuzzing, and which encoder is right for each."""

# ruff: noqa: RUF001 -- letters that look like others are the point here
from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from tests.conformance.hostile import hostile

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
