"""The rule `unicode` against Python's own normalization."""

from __future__ import annotations

import json
import sys
import unicodedata
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

core = pytest.importorskip("prepcore._core", reason="the Rust extension is not built")

Form = Literal["NFC", "NFKC"]
FORMS: list[Form] = ["NFC", "NFKC"]

# The engine's Unicode is newer than Python's: what Python has assigned is the same in both, for all time
# (Unicode's stability policy); what it has not may since have got a decomposition.
ASSIGNED = [
    character
    for character in map(chr, range(sys.maxunicode + 1))
    if unicodedata.category(character) not in ("Cn", "Cs")
]
MARKED = [character for character in ASSIGNED if unicodedata.combining(character)]
CHANGING = [character for character in ASSIGNED if not unicodedata.is_normalized("NFKC", character)]


def rewrite(form: str, control: str, texts: list[str]) -> tuple[list[str], dict[str, int]]:
    """Rewrite texts by the rule `unicode` alone; counts are by kind."""
    rules = json.dumps({"unicode": {"form": form, "control": control}})
    rewritten, counts = core.rewrite(rules, texts)
    return rewritten, {name.removeprefix("unicode."): count for name, count in counts.items()}


@pytest.mark.parametrize("form", FORMS)
def test_every_assigned_character_alone_and_between_others(form: Form) -> None:
    texts = [*ASSIGNED, *(f"e{character}\u0301\u0323" for character in ASSIGNED)]
    rewritten, counts = rewrite(form.lower(), "keep", texts)
    expected = [unicodedata.normalize(form, text) for text in texts]
    wrong = [
        (ascii(text), ascii(ours), ascii(theirs))
        for text, ours, theirs in zip(texts, rewritten, expected, strict=True)
        if ours != theirs
    ]
    assert wrong == []
    changed = sum(text != normal for text, normal in zip(texts, expected, strict=True))
    assert counts["normalized"] == changed > 1000


mixed_texts = st.lists(
    st.one_of(st.sampled_from(ASSIGNED), st.sampled_from(MARKED), st.sampled_from(CHANGING), st.just("a")),
    max_size=30,
).map("".join)


@settings(max_examples=300, deadline=None)
@given(st.lists(mixed_texts, max_size=20))
def test_texts_of_marks_and_characters_that_change(texts: list[str]) -> None:
    for form in FORMS:
        rewritten, _ = rewrite(form.lower(), "keep", texts)
        assert rewritten == [unicodedata.normalize(form, text) for text in texts]


def test_control_characters_by_their_category() -> None:
    controls = {character for character in ASSIGNED if unicodedata.category(character) == "Cc"} - set(
        "\t\n\r"
    )
    rewritten, counts = rewrite("keep", "remove", [f"a{character}b" for character in ASSIGNED])
    between = {character: text[1:-1] for character, text in zip(ASSIGNED, rewritten, strict=True)}
    assert {character for character, left in between.items() if left != character} == controls
    # `str.split` says which of them are white space.
    assert all(between[character] == (" " if character.isspace() else "") for character in controls)
    assert counts["control_characters"] == len(controls) == 62
