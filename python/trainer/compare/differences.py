"""What runs were made of, a row for each thing in which they differ."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from trainer.compare.validation import Data
from trainer.report.facts import RunFacts
from trainer.report.words import value_of

NOT_COMPARED = ("run", "resume", "config")
"""Settings that name a run and do not make it another."""

Row = dict[str, Any]
"""``name``, and ``values`` by key, texts; of what has no such thing there is none."""


def differing(values: Mapping[str, Mapping[str, str]]) -> list[Row]:
    """List what has not the same value everywhere, in the order in which it comes first.

    Parameters
    ----------
    values
        For each key its values by name. A key without any values says nothing and does not count; a name that
        some have and others have not is a difference.
    """
    known = {key: named for key, named in values.items() if named}
    rows = []
    for name in dict.fromkeys(name for named in known.values() for name in named):
        found = {key: named[name] for key, named in known.items() if name in named}
        if len(set(found.values())) > 1 or len(found) < len(known):
            rows.append({"name": name, "values": found})
    return rows


def configuration(facts: RunFacts | None) -> dict[str, str]:
    """Return the settings of a run by name."""
    settings = facts.settings if facts else ()
    return {each.name: value_of(each.value) for each in settings if each.name not in NOT_COMPARED}


def initialization(found: Mapping[str, Any]) -> dict[str, str]:
    """Return what the first weights were made of; the influence of blocks is too long for a table."""
    made = dict(found)
    layers = [layer for layer in made.pop("layers", None) or [] if isinstance(layer, Mapping)]
    if layers:
        made["layers of the source"] = spans([layer["source"] for layer in layers if "source" in layer])
        made["new layers"] = spans([place for place, layer in enumerate(layers) if layer.get("new")]) or None
    for name in ("format", "format_version", "block_influence"):
        made.pop(name, None)
    return dict(_leaves(made))


def data(found: Data) -> dict[str, str]:
    """Return what token folders hold, as far as they are still there."""
    rows: dict[str, str] = {}
    for name, manifest, share in found:
        own = f"{name}: " if len(found) > 1 else ""
        held_out = manifest.get("validation") or {}
        facts = {
            "name": None if own else name,
            "share": None if share is None else f"{share:.2%}",
            "tokens": manifest.get("tokens"),
            "documents": manifest.get("documents"),
            "bytes of text": manifest.get("bytes"),
            "tokens held out": held_out.get("tokens"),
            "documents held out": held_out.get("documents"),
            "tokenizer": (manifest.get("tokenizer") or {}).get("fingerprint"),
            "vocabulary": (manifest.get("tokenizer") or {}).get("vocabulary_size"),
            "tokens in a row": manifest.get("sequence_length"),
            "packing": manifest.get("packing"),
            "made by": manifest.get("program"),
        }
        rows |= {own + said: _word(value) for said, value in facts.items() if value is not None}
    return rows


def model(sizes: Mapping[str, Any]) -> dict[str, str]:
    """Return the sizes of a model."""
    return {name.replace("_", " "): _word(value) for name, value in sizes.items()}


def training(facts: RunFacts | None) -> dict[str, str]:
    """Return where and how a model was trained, beside its configuration."""
    about = facts.about if facts else {}
    named = (
        "sequence_length",
        "tokens_per_step",
        "device",
        "precision",
        "processes",
        "program",
    )
    rows = {}
    if about.get("trained_parameters") != about.get("parameters"):
        rows["trained parameters"] = _word(about["trained_parameters"])
    rows |= {name.replace("_", " "): _word(about[name]) for name in named if about.get(name) is not None}
    rows |= {name: _word(found) for name, found in about.get("versions", {}).items()}
    return rows


def spans(numbers: Sequence[Any]) -> str:
    """Write whole numbers with what follows one another joined.

    Examples
    --------
    >>> spans([0, 1, 2, 1, 2, 3, 7])
    '0-2, 1-3, 7'
    """
    pieces: list[list[int]] = []
    for number in numbers:
        if pieces and number == pieces[-1][-1] + 1:
            pieces[-1].append(number)
        else:
            pieces.append([number])
    return ", ".join(f"{piece[0]}-{piece[-1]}" if len(piece) > 1 else f"{piece[0]}" for piece in pieces)


def _leaves(content: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """List the values of nested mappings by their names, one after the other."""
    found = []
    for name, value in content.items():
        said = prefix + name.replace("_", " ")
        if isinstance(value, Mapping):
            found += _leaves(value, f"{said}, ")
        elif value is not None:
            found.append((said, _word(value)))
    return found


def _word(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return json.dumps(value, ensure_ascii=False)
    return f"{value:,}" if isinstance(value, int) else f"{value:.5g}"
