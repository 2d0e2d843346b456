"""mix-60k with many rules on: what `explain` measures is what the ledger says, for every reason."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from prepcore.report.explain import explained_row
from prepcore.report.folder import CleanedFolder
from tests.conftest import Run

OF_EACH = 1000
"""Documents of each reason that are measured again."""

READ_BACK = 12
"""Documents of each reason that are read back from the input one by one."""


def test_explain_agrees_with_the_ledger(shared: Path, tmp_path: Path, prepcore_command: Run) -> None:
    mix = shared / "data/corpus/mix-60k.parquet"
    (tmp_path / "words.txt").write_text("lottery\ncasino\nsoftware\n")
    out = tmp_path / "out"
    prepcore_command(
        *("clean", mix, "--out", out, "--profile", "course", "--rules.redact", "on", "--rules.unicode", "on"),
        *("--language-model", shared / "data/lid/lid.176.ftz", "--rules.length.min-words", 30),
        *("--rules.length.max-chars", 100_000, "--rules.words.file", tmp_path / "words.txt"),
        *("--rules.words.max-count", 5, "--where", "length(text) <> 1234", "--columns", "text"),
    )
    folder = CleanedFolder.open(str(out))
    texts = pl.read_parquet(mix, columns=["text"])["text"]
    dropped = pl.read_parquet(out / "dropped" / "*.parquet")
    counts = {}
    for (reason,), rows in dropped.group_by("reason"):
        rows = rows.sample(min(OF_EACH, len(rows)), seed=1)
        counts[reason] = len(rows)
        examined = folder.examine([texts[row] for row in rows["row"]])
        for entry, found in zip(rows.iter_rows(named=True), examined, strict=True):
            failed = [check for check in found["checks"] if not check["passes"]]
            if reason in ("duplicate", "where"):
                assert not [check for check in failed if check["rule"] != "language"], entry
            else:
                first = failed[0]
                assert (first["reason"], first["value"]) == (reason, entry["value"])
                assert first["detail"] == entry["detail"]
                # A label has no threshold to stand beside it.
                assert entry["threshold"] == (None if reason == "language" else first["threshold"])
        for row in rows["row"].head(READ_BACK):
            explained = explained_row(folder, mix.name, row)
            assert explained["fate"] == "dropped"
            assert explained["because"].startswith(f"{reason}: ")
            assert explained["agree"]
    print(counts)
    assert set(counts) == {reason for reason, count in folder.counts["dropped"].items() if count}
    assert len(counts) >= 10
    for kept in folder.kept(50, seed=3):
        assert explained_row(folder, mix.name, kept["row"])["fate"] == "kept"
