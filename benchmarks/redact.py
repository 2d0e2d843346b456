"""The rule `redact`: what it finds, beside datatrove and Presidio; how fast it is; its hits in a corpus.

python benchmarks/redact.py score LABELLED.json [--peers datatrove,presidio] [--json FILE]
python benchmarks/redact.py speed CORPUS.parquet [--repeats 5] [--peers datatrove]
python benchmarks/redact.py hostile
python benchmarks/redact.py sample CORPUS.parquet --kind telephone [--count 100]

`score` reads sentences with labelled spans as presidio-research writes them (`full_text`, `spans`). A label
is found where a span of its kind covers it whole; a found span is right where it touches a label of its kind.
Peers are used where they can be imported (`pip install --target FOLDER ...` and PYTHONPATH): datatrove's own
patterns; Presidio's pattern recognizers without its language model, every score counted.

`speed` and `hostile` give CPU seconds of one thread. Text is copied from and to Python; what that takes is
measured with the rule off and subtracted, and both figures are printed.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl

from prepcore import _core

KINDS = {
    "email": "EMAIL_ADDRESS",
    "ip": "IP_ADDRESS",
    "telephone": "PHONE_NUMBER",
    "card": "CREDIT_CARD",
    "iban": "IBAN_CODE",
}
PLACEHOLDER = re.compile(r"<(EMAIL|IP|TELEPHONE|CARD|IBAN|SECRET)>")
ON, OFF = '{"redact": {}}', "{}"
# Texts that make matchers with backtracking slow, repeated to a megabyte.
HOSTILE = [
    "@",
    "1",
    ".",
    ":",
    "+",
    "-",
    "A",
    "_",
    "(",
    "I",
    "a@",
    "a@a.aa",
    "aa.",
    "1.",
    "1.1.1.",
    "::",
    "1:",
    "+1 ",
]
HOSTILE += [
    "1 ",
    "11-",
    "4111 ",
    "(11) ",
    "GB00",
    "GB00 ",
    "gb00",
    "sk-",
    "SG.",
    "ghp_",
    "eyJ.",
    "-----BEGIN PRIVATE KEY-----",
]
HOSTILE += [
    "tel 1111111,",
    "tel 11 11 11 11 ",
    "555-123-4567 12.34.56.78 ",
    "a@b.co,",
    "0490 75 40 81 ",
    "é@",
    "1 tel ",
]

Span = tuple[int, int, str]
Finder = Callable[[str], list[Span]]


def alone(piece: str) -> bool:
    """Whether a piece becomes a placeholder by itself."""
    return PLACEHOLDER.fullmatch(_core.rewrite(ON, [piece])[0][0]) is not None


def spans(text: str, rewritten: str) -> Iterator[Span]:
    """Give what became a placeholder: start, end, kind.

    What was kept is looked for in order. A single space occurs within numbers too: of the places nearby, the
    last counts up to which everything becomes a placeholder by itself, else the first.
    """
    pieces = PLACEHOLDER.split(rewritten)
    place = len(pieces[0])
    for number, (kind, kept) in enumerate(zip(pieces[1::2], pieces[2::2], strict=True), 1):
        last = 2 * number == len(pieces) - 1
        end = len(text) - len(kept) if last else text.index(kept, place + 1)
        if not last and len(kept) < 4:
            near = [at for at in range(end, min(place + 80, len(text))) if text.startswith(kept, at)]
            end = next((at for at in reversed(near) if alone(text[place:at])), end)
        yield place, end, kind.lower()
        place = end + len(kept)


def ours(text: str) -> list[Span]:
    return list(spans(text, _core.rewrite(ON, [text])[0][0]))


def datatrove() -> Finder:
    from datatrove.pipeline.formatters.pii import PIIFormatter

    formatter = PIIFormatter()
    replacers = {"email": formatter.emails_replacer, "ip": formatter.ip_replacer}

    def find(text: str) -> list[Span]:
        return [
            (*match.span(), kind)
            for kind, replacer in replacers.items()
            for match in replacer.regex.finditer(text)
            if replacer.validator is None or replacer.validator(match[0])
        ]

    return find


def presidio() -> Finder:
    from presidio_analyzer import predefined_recognizers as known

    names = ("EmailRecognizer", "IpRecognizer", "PhoneRecognizer", "CreditCardRecognizer", "IbanRecognizer")
    recognizers = dict(zip(KINDS, (getattr(known, name)() for name in names), strict=True))

    def find(text: str) -> list[Span]:
        return [
            (found.start, found.end, kind)
            for kind, recognizer in recognizers.items()
            for found in recognizer.analyze(text, [KINDS[kind]], None)
        ]

    return find


def peers(names: str) -> dict[str, Finder]:
    known = {"datatrove": datatrove, "presidio": presidio}
    return {name: known[name]() for name in names.split(",") if name}


def score(sentences: list[dict], find: Finder) -> dict[str, dict[str, float]]:
    """Precision and recall by kind."""
    labels, whole, found, right = Counter(), Counter(), Counter(), Counter()
    for sentence in sentences:
        spans_found = find(sentence["full_text"])
        for kind, name in KINDS.items():
            wanted = [
                (span["start_position"], span["end_position"])
                for span in sentence["spans"]
                if span["entity_type"] == name
            ]
            own = [(start, end) for start, end, of in spans_found if of == kind]
            labels[kind] += len(wanted)
            whole[kind] += sum(any(a <= start and end <= b for a, b in own) for start, end in wanted)
            found[kind] += len(own)
            right[kind] += sum(any(a < end and start < b for a, b in wanted) for start, end in own)
    return {
        kind: {
            "labels": labels[kind],
            "recall": whole[kind] / labels[kind] if labels[kind] else 1.0,
            "found": found[kind],
            "precision": right[kind] / found[kind] if found[kind] else 1.0,
        }
        for kind in KINDS
    }


def run_score(arguments: argparse.Namespace) -> None:
    sentences = json.loads(arguments.labelled.read_text("utf-8"))
    finders = {"prepcore": ours} | peers(arguments.peers)
    scores = {name: score(sentences, find) for name, find in finders.items()}
    print("| who | kind | labels | recall | found | precision |\n|---|---|---|---|---|---|")
    for name, kinds in scores.items():
        for kind, values in kinds.items():
            if values["found"]:
                columns = f"{values['recall']:.3f} | {values['found']} | {values['precision']:.3f}"
                print(f"| {name} | {kind} | {values['labels']} | {columns} |")
    if arguments.json:
        arguments.json.write_text(json.dumps(scores, indent=2) + "\n")


def cpu(rules: str, texts: list[str]) -> float:
    """CPU seconds of rewriting texts."""
    start = time.process_time()
    _core.rewrite(rules, texts)
    return time.process_time() - start


def read(corpus: Path) -> list[str]:
    return pl.read_parquet(corpus, columns=["text"])["text"].drop_nulls().to_list()


def run_speed(arguments: argparse.Namespace) -> None:
    texts = read(arguments.corpus)
    rewritten, counts = _core.rewrite(ON, texts)
    print(", ".join(f"{kind} {count}" for kind, count in counts.items()))
    clean = [text for text, new in zip(texts, rewritten, strict=True) if text == new]
    for name, some in (("all", texts), ("without hits", clean)):
        size = sum(len(text.encode()) for text in some) / 1e6
        pairs = [(cpu(OFF, some), cpu(ON, some)) for _ in range(arguments.repeats)]
        copies = min(off for off, _ in pairs)
        both = min(on for _, on in pairs)
        rates = f"{size / (both - copies):.0f} MB/s the rule, {size / both:.0f} MB/s with copies"
        print(f"{name}: {len(some)} texts, {size:.1f} MB: {both:.3f} s, of it copies {copies:.3f} s; {rates}")
    for name, find in peers(arguments.peers).items():
        start = time.process_time()
        kinds = Counter(kind for text in texts for _, _, kind in find(text))
        seconds = time.process_time() - start
        size = sum(len(text.encode()) for text in texts) / 1e6
        print(f"{name}: {seconds:.1f} s, {size / seconds:.1f} MB/s; {dict(kinds)}")


def run_hostile(_: argparse.Namespace) -> None:
    texts = {pattern: pattern * (1_000_000 // len(pattern.encode())) for pattern in HOSTILE}
    times = {pattern: min(cpu(ON, [text]) for _ in range(3)) * 1e3 for pattern, text in texts.items()}
    for pattern, milliseconds in sorted(times.items(), key=lambda item: -item[1]):
        print(f"{milliseconds:6.1f} ms a megabyte of {pattern!r}")


def run_sample(arguments: argparse.Namespace) -> None:
    texts = read(arguments.corpus)
    hits = []
    for text, new in zip(texts, _core.rewrite(ON, texts)[0], strict=True):
        if text != new:
            hits += [(text, start, end) for start, end, kind in spans(text, new) if kind == arguments.kind]
    random.Random(0).shuffle(hits)
    for text, start, end in hits[: arguments.count]:
        print(f"{text[start:end]!r}  in  {text[max(0, start - 40) : end + 20]!r}")
    print(f"{len(hits)} hits", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("score", help="precision and recall on labelled sentences")
    command.add_argument("labelled", type=Path)
    command.add_argument("--peers", default="", help="datatrove, presidio")
    command.add_argument("--json", type=Path)
    command.set_defaults(run=run_score)
    command = commands.add_parser("speed", help="CPU seconds on a corpus")
    command.add_argument("corpus", type=Path)
    command.add_argument("--repeats", type=int, default=5)
    command.add_argument("--peers", default="", help="datatrove, presidio")
    command.set_defaults(run=run_speed)
    command = commands.add_parser("hostile", help="CPU time of texts that are made to be slow")
    command.set_defaults(run=run_hostile)
    command = commands.add_parser("sample", help="hits in a corpus, to be looked at")
    command.add_argument("corpus", type=Path)
    command.add_argument("--kind", choices=[*KINDS, "secret"], required=True)
    command.add_argument("--count", type=int, default=100)
    command.set_defaults(run=run_sample)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
