"""The texts of the experiments and their token folders, as `prepcore clean`, `pack` and `mix` make them.

English: articles of Wikipedia, chapters of books and film reviews of `mix-60k.parquet`, cleaned, at most
5,000 characters long. Stories: `tinystories-sample.jsonl.zst`. Whole documents are held out of both, a set to
choose learning rates on and one to report on, and never trained on. All tokens are of the base's own
tokenizer, with <s> before each document; rows of 128 tokens, cut end to end.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
from benchmarks.evidence.junk import corrupted
from benchmarks.evidence.plan import BASE, LENGTH, SEEDS, SHORT

import prepcore

SETS = ("wiki-en-2014", "wiki-en-2021-tail", "books-en-classic-chapters", "imdb-reviews")
LONGEST = 5000  # characters of a document
HELD_OUT = {"english": 32, "stories": 48}  # documents of each of the two sets
SPLIT_SEED = 7
ROOM = 1.05
"""Raw text is made this much longer than the run, so that one pass is never too short."""


def shared() -> Path:
    """Return the folder of real data beside the project."""
    return Path(os.environ.get("PREPCORE_SHARED", "shared")) / "data"


def base_folder() -> Path:
    """Return the folder of the trained base."""
    return shared() / "models" / BASE


def run(verb: str, *words: object) -> dict[str, Any]:
    """Run a command of `prepcore`; return the manifest it prints."""
    command = [sys.executable, "-m", "prepcore", verb, *map(str, words), "--threads", "1", "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    manifest: dict[str, Any] = json.loads(done.stdout)
    return manifest


def clean(source: Path, out: Path, *words: object) -> dict[str, Any]:
    """Clean a file or folder; return the manifest's counts."""
    counts: dict[str, Any] = run("clean", source, "--out", out, "--report", "false", *words)["counts"]
    return counts


def pack(source: Path, out: Path) -> dict[str, int]:
    """Pack what was cleaned, or texts as they are; return documents, tokens and rows."""
    special = ("--bos", "<s>", "--eos", "none")
    manifest = run(
        "pack", source, "--out", out, "--tokenizer", base_folder(), "--sequence-length", LENGTH, *special
    )
    return {name: manifest[name] for name in ("documents", "tokens", "rows", "bytes")}


def texts(folder: Path) -> list[str]:
    """Return the documents of a cleaned folder."""
    return pl.read_parquet(folder / "part-*.parquet")["text"].to_list()


def write(path: Path, documents: list[str]) -> Path:
    """Write documents as Parquet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame({"text": documents}).write_parquet(path)
    return path


def make(work: Path) -> dict[str, Any]:
    """Make all folders in ``work/data``, once; return what is in them.

    Returns
    -------
    dict
        ``folders``: documents, tokens, rows and bytes of each token folder; ``cleaning``: for each seed what
        was planted and what `prepcore clean` left of it.
    """
    root = work / "data"
    facts_file = root / "data.json"
    if facts_file.exists():
        facts: dict[str, Any] = json.loads(facts_file.read_text())
        return facts
    shutil.rmtree(root, ignore_errors=True)
    folders: dict[str, dict[str, int]] = {}

    corpus = pl.read_parquet(shared() / "corpus" / "mix-60k.parquet")
    chosen = corpus.filter(pl.col("meta").str.json_path_match("$.set").is_in(list(SETS)))
    clean(write(root / "english.parquet", chosen["text"].to_list()), root / "english-cleaned",
          "--rules.length.max-chars", LONGEST)  # fmt: skip
    clean(shared() / "corpus" / "tinystories-sample.jsonl.zst", root / "stories-cleaned",
          "--rules.short-lines", "off", "--format", "parquet")  # fmt: skip

    pools = {}
    for domain, held_out in HELD_OUT.items():
        documents = texts(root / f"{domain}-cleaned")
        random.Random(SPLIT_SEED).shuffle(documents)
        pools[domain] = documents[2 * held_out :]
        parts = {"choose": documents[:held_out], "report": documents[held_out : 2 * held_out]}
        for name, part in {f"{domain}-{key}": part for key, part in parts.items()}.items():
            folders[name] = pack(write(root / f"{name}.parquet", part), root / name)
        folders[domain] = pack(write(root / f"{domain}-pool.parquet", pools[domain]), root / domain)

    for share in (5, 25):
        sources = {"english": (root / "english", 100 - share), "stories": (root / "stories", share)}
        prepcore.mix(sources, tokens=SHORT, out=root / f"replay-{share}")

    cleaning = {}
    tokens_a_byte = folders["english"]["tokens"] / folders["english"]["bytes"]
    pool = iter(pools["english"])  # each seed has documents of its own
    for seed in SEEDS:
        good = take(pool, ROOM * SHORT / tokens_a_byte)
        cleaning[str(seed)] = make_raw(root, seed, good, tokens_a_byte, folders)
    facts = {"folders": folders, "cleaning": cleaning, "prepcore": prepcore.__version__}
    facts_file.write_text(json.dumps(facts, indent=1) + "\n")
    return facts


def take(pool: Any, size: float) -> list[str]:
    """Take documents until they have so many bytes."""
    taken, found = [], 0
    while found < size:
        taken.append(next(pool))
        found += len(taken[-1].encode())
    return taken


def make_raw(
    root: Path, seed: int, good: list[str], tokens_a_byte: float, folders: dict[str, dict[str, int]]
) -> dict[str, Any]:
    """Make raw text out of good documents, clean it, pack both; return what was planted and what was left.

    The raw text comes in blocks, each about as long as a run. ``raw`` is the first of them, ``same`` is what
    `prepcore clean` leaves of it, and ``clean`` what it leaves of all of them: about a run of good text.
    """
    source = root / f"raw-{seed}-text"
    source.mkdir()
    waiting = iter(good)
    blocks: list[list[dict[str, str]]] = []
    while True:
        block = _block(waiting, ROOM * SHORT / tokens_a_byte, seed * 100 + len(blocks))
        if not block:
            break
        pl.DataFrame(block).write_parquet(source / f"block-{len(blocks)}.parquet")
        blocks.append(block)
    whole = clean(source, root / f"clean-{seed}-text")
    first = clean(source / "block-0.parquet", root / f"same-{seed}-text")
    folders[f"raw-{seed}"] = pack(source / "block-0.parquet", root / f"raw-{seed}")
    folders[f"clean-{seed}"] = pack(root / f"clean-{seed}-text", root / f"clean-{seed}")
    folders[f"same-{seed}"] = pack(root / f"same-{seed}-text", root / f"same-{seed}")
    rows = [row for block in blocks for row in block]
    planted = {kind: sum(row["kind"] == kind for row in rows) for kind in ("good", "links", "advertisement")}
    left = pl.read_parquet(root / f"clean-{seed}-text" / "part-*.parquet")
    kept = dict(left["kind"].value_counts().iter_rows())
    return {
        "blocks": len(blocks),
        "good": {"documents": len(good), "kept": left.filter(kind="good")["text"].n_unique()},
        "repeats": {
            "planted": planted["good"] - len(good),
            "kept": kept.get("good", 0) - left.filter(kind="good")["text"].n_unique(),
        },
        **{
            kind: {"planted": planted[kind], "kept": kept.get(kind, 0)} for kind in ("links", "advertisement")
        },
        "first_block_good_bytes": sum(len(text.encode()) for text in set(_good(blocks[0]))),
        "first_block_bytes": sum(len(row["text"].encode()) for row in blocks[0]),
        "dropped": {"all": whole["dropped"], "first_block": first["dropped"]},
    }


def _block(waiting: Any, size: float, seed: int) -> list[dict[str, str]]:
    """Corrupt as many documents as make raw text of so many bytes; the last block is what is left."""
    good: list[str] = []
    rows: list[dict[str, str]] = []
    for text in waiting:
        good.append(text)
        if len(good) % 8 == 0:
            rows = corrupted(good, seed)
            if sum(len(row["text"].encode()) for row in rows) >= size:
                return rows
    return corrupted(good, seed) if good else []


def _good(rows: list[dict[str, str]]) -> list[str]:
    return [row["text"] for row in rows if row["kind"] == "good"]
