"""Packing token folders again: best fit over many documents, and what it leaves free.

python benchmarks/packing.py [--documents 10000000] [--lengths 2048,8192] [--mean 700] [--json FILE]

Lays rows with the command that users type, `prepcore pack FOLDER --packing best-fit`, over a token folder
whose documents have log-normal lengths (as web text has, sigma 1.2). Only the ends of documents are read, so
the token files are holes of the right size: ten million documents take 80 MB of disk and the row index,
20 bytes a piece. Gives seconds of wall clock and of CPU (one thread does it), the peak of memory, padding and
documents cut.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import prepcore

SIGMA = 1.2
DOCUMENTS_A_FILE = 1_000_000
SEED = 6


def token_folder(root: Path, documents: int, mean: float) -> Path:
    """Write a token folder of so many documents, with holes for tokens."""
    raw, folder = root / "raw.jsonl", root / "tokens"
    raw.write_text('{"text": "one document"}\n')
    prepcore.tokenizer(raw, out=root / "tokenizer", vocabulary_size=260)
    manifest = prepcore.pack(raw, out=folder, tokenizer=root / "tokenizer")
    drawn = np.random.default_rng(SEED)
    files = []
    for number, first in enumerate(range(0, documents, DOCUMENTS_A_FILE)):
        count = min(DOCUMENTS_A_FILE, documents - first)
        # The mean of a log-normal distribution is exp(mu + sigma² / 2).
        drawn_lengths = drawn.lognormal(np.log(mean) - SIGMA**2 / 2, SIGMA, count)
        ends = np.cumsum(np.maximum(2, drawn_lengths).astype("<u8"), dtype="<u8")
        path = f"tokens-{number:05}.ds"
        ends.tofile(folder / f"{path}.index")
        with (folder / path).open("wb") as tokens:
            tokens.truncate(2 * int(ends[-1]))
        files.append({**manifest["files"][0], "path": path, "tokens": int(ends[-1]), "documents": count})
    total = sum(file["tokens"] for file in files)
    length = manifest["sequence_length"]
    manifest["counts"] |= {"documents": documents, "training": documents}
    manifest |= {"files": files, "documents": documents, "tokens": total}
    manifest |= {"rows": total // length, "left_over": {"tail": total % length}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def lay(folder: Path, length: int) -> dict[str, Any]:
    """Run the command and measure it."""
    command = [sys.executable, "-m", "prepcore", "pack", folder, "--packing", "best-fit", "--json", "--quiet"]
    began = time.perf_counter()
    with subprocess.Popen([*command, "--sequence-length", str(length)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        manifest = json.load(process.stdout)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(process.returncode)
    [index] = [index for index in manifest["row_indexes"] if index["sequence_length"] == length]
    return {
        "sequence_length": length,
        "documents": manifest["documents"],
        "tokens": manifest["tokens"],
        "seconds": time.perf_counter() - began,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "peak_mib": used.ru_maxrss / 1024,
        "rows": index["rows"],
        "padding_share": index["padding"] / (index["rows"] * length),
        "cut_share": index["documents_cut"] / manifest["documents"],
    }


def main() -> None:
    """Measure each length and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--documents", type=int, default=10_000_000)
    parser.add_argument("--lengths", default="2048,8192")
    parser.add_argument("--mean", type=float, default=700.0)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as root:
        folder = token_folder(Path(root), arguments.documents, arguments.mean)
        measured = [lay(folder, int(length)) for length in arguments.lengths.split(",")]
    for row in measured:
        print(
            f"L {row['sequence_length']:>6,}: {row['documents']:,} documents, {row['tokens']:,} tokens: "
            f"{row['seconds']:.1f} s ({row['cpu_seconds']:.1f} s of CPU), peak {row['peak_mib']:.0f} MiB, "
            f"{row['rows']:,} rows, padding {row['padding_share']:.3%}, cut {row['cut_share']:.2%}"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(measured, indent=2) + "\n")


if __name__ == "__main__":
    main()
