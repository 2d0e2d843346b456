"""Texts that tell tokenizers apart: all that is odd in real text, and what only looks like something."""

# ruff: noqa: RUF001 -- letters that look like others are the point here
from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

SPACES = [*" \t\n\r\v\f\x85\xa0\u1680\u2000\u2003\u2009\u200a\u2028\u2029\u202f\u205f\u3000"]
SPACES += ["\r\n", "\n\n", "  ", " \n"]
ZERO_WIDTH = list("\u200b\u200c\u200d\u2060\ufeff\u00ad\u180e\u061c\u200e\u202e")
MARKS = list("\u0300\u0301\u0308\u0323\u0345\u035c\u0483\u0591\u05b0\u064b\u0670\u093c\u094d\u0e31\u0e48")
MARKS += ["\u3099", "\u20dd", "\ufe0f"]
WORDS = """
a e i o n s t the The THE word an ing tion é ñ ß İ ı ſ ﬁ \u212b \u00c5 ё р ру жы σς Ω ա ა ア が 日 本語 中文
𠀀 한 국어 ㄱ ᄀ ᅡ ᆨ ع رب ں ๐ ไท ย် ང ह ि த் ك ﷺ Ⅷ ² ½ ① ٣٤ ५ 〇 𝟘 0 1 23 456 7890 12345 3.14 1,000 Ǆ ʰ ª ՚ᴴ Ꙁ 𐍈 𞤀
"""
EMOJI = "😀 👨‍👩‍👧‍👦 👩🏽‍💻 🏳️‍🌈 🇩🇪 🇰🇷🇰 1️⃣ #️⃣ ❤️ 🫠 ☃ 🧑🏿"
MARKUP = """
's 't 're 've 'm 'll 'd 'S 'LL 'ſ ’s '' n't o'clock 'x -- ... ==== :// </ /> (); #! __init__ \\n %20 &amp;
▁ ▁▁ Ġ Ċ <0x0A> <0xE2> <unk> <s> </s> <pad> [INST] <|im_start|> <| <|endoftext|> <|end_of_text|> <|eot_id|>
|||IP_ADDRESS||| <|endoftext endoftext|>
"""
SIGNS = list(".,;:!?'\"()[]{}<>|/\\-_=+*&^%$#@~`…—“”’«»、。¿€")
CONTROLS = list("\0\x01\x04\x06\x13\x14\x16\x1d\x1b\x7f\x80\x9f\ufffd\uffff\ufdd0")
RUNS = [*" \t\n\r\xa0\u3000-=.a0é中😀'▁", "\r\n", "ab", " \n", "e\u0301", "\n "]
KINDS = [
    WORDS.split(),
    WORDS.split(),
    SPACES,
    [" "],
    MARKS,
    ZERO_WIDTH,
    EMOJI.split(),
    MARKUP.split(),
    SIGNS,
    CONTROLS,
]


def hostile(count: int, seed: int, special: Sequence[str] = ()) -> Iterator[str]:
    """Give so many texts, the same for the same seed; `special` are the tokenizer's own added tokens."""
    draw = random.Random(seed)
    looking = [form for token in special for form in forms(token)]
    kinds = [*KINDS, looking] if looking else KINDS

    def piece() -> str:
        number = draw.randrange(40)
        if number == 0:
            return draw.choice(RUNS) * draw.randrange(1, 70)
        if number == 1:
            # Anywhere in Unicode: most are unassigned, and bytes to every vocabulary.
            return character(draw.randrange(0x110000))
        if number == 2:
            return character(draw.randrange(0x3000)) * draw.randrange(1, 4)
        if number == 3:
            return " " + draw.choice(KINDS[0]) + draw.choice(MARKS)
        return draw.choice(draw.choice(kinds))

    for _ in range(count):
        yield "".join(piece() for _ in range(draw.choice((0, 1, 2, 3, 5, 8, 13, 30))))


def character(number: int) -> str:
    """Return a character; surrogates, which no text holds, become another."""
    return chr(number) if not 0xD800 <= number < 0xE000 else "\ud7ff"


def forms(token: str) -> list[str]:
    """Return what looks like a special token and the token itself."""
    return [
        token,
        token[:-1],
        token[1:],
        token * 2,
        token.swapcase(),
        f" {token} ",
        f"x{token}y",
        f"\n{token}\n",
    ]


def long_texts(size: int = 1_000_000) -> list[str]:
    """Return texts of about so many bytes without a place to split, or with nothing else."""
    draw = random.Random(7)
    letters = "".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=size))
    base64 = "".join(draw.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", k=size))
    repeated = ("a", "ab", " ", "-", "\n", "\t", "é", "中文", "😀", "a\u0301", "'s", "0", "▁", "\r\n")
    return [letters, base64, *(unit * (size // len(unit.encode())) for unit in repeated)]
