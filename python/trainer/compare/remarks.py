"""What a reader has to know of the figures of a comparison."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from trainer.compare.gathered import Gathered
from trainer.run_folder import BEST


def remarks(everything: Sequence[Gathered], described: Sequence[Mapping[str, Any]], which: str) -> list[str]:
    """Say it, a sentence each, in the order of what is compared.

    Parameters
    ----------
    everything
        What is compared.
    described
        The facts of each, as :mod:`trainer.compare.facts` has them.
    which
        The checkpoint that was asked for to stand for a run.
    """
    return [
        f"{each.compared.key}: {said}"
        for each, about in zip(everything, described, strict=True)
        for said in [*_of_log(each, about), *_of_checkpoint(each, which)]
    ]


def _of_log(each: Gathered, about: Mapping[str, Any]) -> Iterator[str]:
    """Say what is missing in a log, and what its figures do not have in them."""
    if each.log is None:
        return
    if not each.log.facts.lines:
        yield "the run has logged nothing yet"
        return
    for count, said in (
        (each.log.not_finite, "with a loss that is no number"),
        (each.log.unreadable, "that cannot be read"),
    ):
        if count:
            yield f"{count:,} line{'s' if count > 1 else ''} of the log {said}, left out"
    unknown = [name for name, value in (("FLOPs", about["flops"]), ("time", about["hours"])) if value is None]
    if unknown:
        yield f"{' and '.join(unknown)} not known, so no curve over that"
    if source := each.initialization.get("source"):
        yield f"began with the weights of {source}, and what those cost is not in its tokens, FLOPs and time"
    step, total = about["step"] or 0, about["total_steps"]
    if each.compared.whole and total and step < total:
        yield f"{step:,} of {total:,} steps are done, and a loss falls most as the learning rate ends"


def _of_checkpoint(each: Gathered, which: str) -> Iterator[str]:
    """Say what stands for a run where that is not what was asked for, and which files were passed over."""
    compared = each.compared
    if compared.whole and compared.run is not None:
        if compared.checkpoint is None:
            yield "no checkpoint, so no prompts are continued"
        elif which == BEST and not (compared.run.checkpoints / BEST).exists():
            yield "no validation has chosen a best checkpoint, so the newest stands for the run"
    for path in each.strange:
        yield f"{path} is no results file of this version"
