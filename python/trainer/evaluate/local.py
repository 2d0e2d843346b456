"""Local copies of the sets that lm-eval reads: ``--data DIR``.

A set lies where its name on the Hugging Face hub says: the last part of the name, the configuration, and
a file a split: ``ai2_arc/ARC-Challenge/test.jsonl``. The middle part is left out where there is no
configuration (``hellaswag/validation.jsonl``), and may be where it is called ``default``. MMLU may lie in
one folder, ``mmlu/all``, whose column ``subject`` tells its configurations apart.

The tasks stay lm-eval's own: while they are made, `datasets.load_dataset` reads these files and nothing else.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prepcore.arguments import UsageError

if TYPE_CHECKING:
    import polars as pl

    from trainer.evaluate.tasks import Leaf

ENDINGS = (".jsonl", ".jsonl.zst", ".jsonl.gz", ".parquet")
SPLITS = ("train", "validation", "test", "dev")

OFFLINE = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_EVALUATE_OFFLINE", "TRANSFORMERS_OFFLINE")
"""Variables that keep the libraries of Hugging Face from asking a server."""

ONE_FOLDER = {"mmlu"}
"""Sets whose configurations may lie in one folder `all`, told apart by the column `subject`."""


def forbid_network() -> None:
    """Have the libraries of Hugging Face ask no server; to be called before they are imported."""
    for name in OFFLINE:
        os.environ[name] = "1"


@dataclass(frozen=True)
class LocalData:
    """A folder of sets."""

    root: Path

    def check(self, name: str, leaves: list[Leaf], shots: int | None) -> None:
        """Refuse a task whose files are not all there.

        Parameters
        ----------
        name
            What the task, or the group of them, is called in messages.
        leaves
            The tasks themselves.
        shots
            Few-shot examples in a prompt; None: as each task's file says.

        Raises
        ------
        UsageError
            Listing the files that are wanted.
        """
        scored: list[str] = []
        examples: list[str] = []
        for leaf in leaves:
            if leaf.dataset is None:
                continue
            if leaf.scored_split and self.file(*leaf.dataset, leaf.scored_split) is None:
                scored.append(_usual_place(*leaf.dataset, leaf.scored_split))
            few = leaf.own_shots if shots is None else shots
            if few and leaf.shots_split and self.file(*leaf.dataset, leaf.shots_split) is None:
                examples.append(_usual_place(*leaf.dataset, leaf.shots_split))
        if not scored and not examples:
            return
        missing = list(dict.fromkeys([*scored, *examples]))
        listed = ", ".join(missing[:12]) + (f" and {len(missing) - 12:,} more" if len(missing) > 12 else "")
        there = self.root.is_dir()
        lacks = f"--data {self.root} {'lacks' if there else 'is not a folder; wanted there:'} {listed}"
        if not scored:
            lacks += ", where its few-shot examples come from; no other split stands in"
        raise UsageError(
            f"{name} cannot be measured: {lacks}",
            f"each file may end in {', '.join(ENDINGS)}"
            + ("; or take 0 shots (NAME@0 in tasks), or --skip it in a suite" if not scored else ""),
        )

    def files(self, leaves: list[Leaf]) -> dict[str, int]:
        """Return the files that tasks read, with their sizes in bytes: what stands for their content."""
        found: dict[str, int] = {}
        for leaf in leaves:
            for split in filter(None, (leaf.scored_split, leaf.shots_split)):
                place = self.file(*leaf.dataset, split) if leaf.dataset else None
                if place is not None:
                    found[place[0].relative_to(self.root).as_posix()] = place[0].stat().st_size
        return dict(sorted(found.items()))

    def file(self, path: str, name: str | None, split: str) -> tuple[Path, str | None] | None:
        """Find the file of a split, and the subject to which it is to be cut; None where there is none."""
        folder = self.root / path.rpartition("/")[2]
        places: list[tuple[Path, str | None]] = []
        if name:
            places.append((folder / name, None))
        if not name or name == "default":
            places.append((folder, None))
        if name and folder.name in ONE_FOLDER:
            places.append((folder / "all", name))
        for place, subject in places:
            for ending in ENDINGS:
                file = place / f"{split}{ending}"
                if file.is_file():
                    return file, subject
        return None

    @contextlib.contextmanager
    def in_place_of_the_hub(self, *, spare: bool) -> Iterator[None]:
        """Have `datasets.load_dataset` read from here.

        Parameters
        ----------
        spare
            Whether splits that are not here are empty. lm-eval lists the few-shot examples of a task of 0
            shots, too, though none is ever drawn.
        """
        import datasets

        def load(path: str, name: str | None = None, *_: Any, **__: Any) -> Any:
            return self.load(path, name, spare=spare)

        before = datasets.load_dataset
        datasets.load_dataset = load
        try:
            yield
        finally:
            datasets.load_dataset = before

    def load(self, path: str, name: str | None, *, spare: bool) -> Any:
        """Read a set: its splits by name, as `datasets.DatasetDict` has them.

        Raises
        ------
        UsageError
            When it has no file here.
        """
        import datasets

        data = self

        class Splits(datasets.DatasetDict):
            def __missing__(self, split: str) -> Any:
                place = data.file(path, name, split)
                if place is not None:
                    return datasets.Dataset.from_polars(_rows(*place))
                if spare and self:
                    return next(iter(self.values())).select([])
                wanted = _usual_place(path, name, split)
                raise UsageError(f"--data {data.root} lacks {wanted}")

        found = Splits()
        for split in SPLITS:
            place = self.file(path, name, split)
            if place is not None:
                found[split] = datasets.Dataset.from_polars(_rows(*place))
        if not found:
            raise UsageError(f"--data {self.root} lacks {_usual_place(path, name, 'test')}")
        return found


@functools.lru_cache(maxsize=4)
def _table(file: Path) -> pl.DataFrame:
    import polars as pl

    try:
        if file.suffix == ".parquet":
            return pl.read_parquet(file)
        return pl.read_ndjson(file, infer_schema_length=None)
    except pl.exceptions.PolarsError as error:
        raise UsageError(f"{file} cannot be read: {str(error).splitlines()[0]}") from error


def _rows(file: Path, subject: str | None) -> pl.DataFrame:
    table = _table(file)
    if subject is None:
        return table
    if "subject" not in table.columns:
        raise UsageError(f"{file} has no column subject, by which {subject} would be found")
    return table.filter(table["subject"] == subject)


def _usual_place(path: str, name: str | None, split: str) -> str:
    """Return where the file of a split is looked for first, for messages."""
    last = path.rpartition("/")[2]
    middle = "all" if last in ONE_FOLDER else name
    return "/".join(filter(None, (last, middle, f"{split}.jsonl")))
