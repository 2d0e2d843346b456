"""What the fuzzers begin with: small files of every layout that is read. `python fuzz/seeds.py FOLDER`."""

from __future__ import annotations

import gzip
import itertools
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

LINES = [
    b'{"text":"plain","n":1}',
    b'{"a":[1,{"text":"no"}],"text":"\\u00e9\\n\\ud83d\\ude00"}',
    b'{"text":"first","text":"last"}',
    b'{"t\\u0065xt":"escaped name","x":null,"y":true,"z":-1.5e-7}',
    b'{"text":"","n":123456789012345678901234567890}',
    b'{"text":"lone \\ud800"}',
    b'{"text":"cut',
    b'{"text":"a"}{"text":"b"}',
    b'{"text":"a","x":NaN}',
    b'{"text":"raw tab \t"}',
    b'{"other":"\\x","text":"b"}',
    b'{"text":"\xff\xfe"}',
    b'{"text":null}',
    b'["text"]',
    b'{"text":{"a":"b"}}',
    '{"text":"\u2028 日本語"}'.encode(),
    b"",
    b"[" * 600,
]
TEXTS = [
    "plain",
    "",
    None,
    "é日本\U0001f600",
    "x" * 20,
    "a longer text than fits into a view, twice " * 2,
    "plain",
]


def lines(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    whole = b"\xef\xbb\xbf" + b"\r\n".join(LINES) + b"\n"
    files = [*LINES, whole, b"\n".join(LINES), gzip.compress(whole), pa.compress(whole, "zstd", asbytes=True)]
    for number, content in enumerate(files):
        (folder / f"seed-{number}").write_bytes(content)


def tables() -> list[pa.Table]:
    texts = pa.array(TEXTS)
    beside = {
        "n": pa.array(range(len(TEXTS))),
        "score": pa.array([None, *(number / 2 for number in range(len(TEXTS) - 1))]),
        "tags": pa.array([["é", None], [], None, ["b"], ["c"] * 3, ["d"], []]),
        "meta": pa.array([{"url": "u", "when": None}] * len(TEXTS)),
        "kind": pa.array(["a", "b", "a", "b", "a", "b", None]).dictionary_encode(),
    }
    broken = pa.LargeStringArray.from_buffers(
        3, *pa.array([b"a", b"\xc3", b"\xa9"], pa.large_binary()).buffers()[1:]
    )
    return [
        pa.table({"text": texts}),
        pa.table(
            {"text": texts.drop_null()}, schema=pa.schema([pa.field("text", pa.string(), nullable=False)])
        ),
        pa.table({"text": texts, **beside}),
        pa.table({"text": broken, "url": broken}),
        pa.table({"text": texts.slice(0, 0)}),
    ]


def parquet(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    layouts = itertools.product(("NONE", "SNAPPY", "ZSTD", "GZIP"), ("1.0", "2.0"), (True, False), (2, 100))
    for number, (compression, version, dictionary, group) in enumerate(layouts):
        for kind, table in enumerate(tables()):
            path = folder / f"seed-{number}-{kind}"
            choices = {"compression": compression, "data_page_version": version, "use_dictionary": dictionary}
            pq.write_table(table, path, row_group_size=group, **choices)
    for encoding in ("PLAIN", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"):
        for kind, table in enumerate(tables()):
            path = folder / f"seed-{encoding}-{kind}"
            encodings = {"text": encoding}
            choices = {"use_dictionary": False, "compression": "NONE", "store_schema": kind % 2 == 0}
            pq.write_table(table, path, column_encoding=encodings, **choices)


def models(folder: Path) -> None:
    """Train models of every loss; quantising wants 256 rows."""
    import fasttext

    folder.mkdir(parents=True, exist_ok=True)
    training = folder.parent / "training.txt"
    training.write_text("".join(f"__label__{row % 7} word{row % 97} the cat é{row}\n" for row in range(300)))
    for loss, characters in itertools.product(("softmax", "hs", "ns", "ova"), ((0, 0), (2, 4))):
        for kind, cutoff in (("bin", 0), ("ftz", 0), ("ftz", 260)):
            minn, maxn = characters
            sizes = {"dim": 4, "bucket": 300, "wordNgrams": 2, "minn": minn, "maxn": maxn}
            model = fasttext.train_supervised(str(training), loss=loss, epoch=1, thread=1, verbose=0, **sizes)
            if kind == "ftz":
                model.quantize(qnorm=maxn > 0, cutoff=cutoff)
            model.save_model(str(folder / f"seed-{loss}-{maxn}-{kind}-{cutoff}"))
    training.unlink()


if __name__ == "__main__":
    root = Path(sys.argv[1])
    models(root / "model")
    lines(root / "jsonl")
    parquet(root / "parquet")
