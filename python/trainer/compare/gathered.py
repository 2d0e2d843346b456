"""All that files say of one of those that are compared."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prepcore.arguments import UsageError
from trainer.compare.evaluations import Evaluation, evaluations_of
from trainer.compare.logs import Log
from trainer.compare.subjects import Compared
from trainer.compare.validation import Data
from trainer.flops import LlamaSizes
from trainer.initialize.facts import FILE as FACTS_FILE
from trainer.initialize.source import DESCRIPTION
from trainer.report.data import data_of
from trainer.report.facts import RunFacts, read_json
from trainer.run_folder import RunFolder


@dataclass(frozen=True)
class Gathered:
    """All that the files say of one of those that are compared.

    Attributes
    ----------
    compared
        Which it is.
    log
        Its log; None outside of a run.
    data
        The manifests of what it was trained on.
    sizes
        Of its model; None where no file tells.
    evaluations
        By step.
    strange
        Files in the place of evaluations that are none.
    """

    compared: Compared
    log: Log | None
    data: Data
    sizes: LlamaSizes | None
    evaluations: Sequence[Evaluation]
    strange: Sequence[Path]

    @classmethod
    def of(cls, compared: Compared) -> Gathered:
        """Read the files; what is missing is left out.

        Raises
        ------
        UsageError
            When a log is there and is not text.
        """
        facts = _read(compared.run) if compared.run else None
        about = facts.about if facts else {}
        sizes = _sizes(compared, about)
        flops = about.get("flops_per_token")
        if flops is None and sizes is not None and about.get("sequence_length"):
            flops = sizes.flops_per_token(about["sequence_length"])
        log = None
        if facts is not None:
            log = Log.of(facts, flops, None if compared.whole else compared.step)
        evaluations, strange = evaluations_of(compared)
        return cls(compared, log, data_of(facts) if facts else [], sizes, evaluations, strange)

    @property
    def initialization(self) -> Mapping[str, Any]:
        """What its first weights were made of; a folder of ``init`` says so itself."""
        if self.facts is not None:
            return self.facts.initialization
        return read_json(self.compared.checkpoint / FACTS_FILE) if self.compared.checkpoint else {}

    @property
    def facts(self) -> RunFacts | None:
        """Its run."""
        return self.log.facts if self.log else None


def _read(run: RunFolder) -> RunFacts:
    try:
        return RunFacts.gather(run)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"the logs of {run.path} cannot be read: {error}", "leave this run out") from error


def _sizes(compared: Compared, about: Mapping[str, Any]) -> LlamaSizes | None:
    """Read the sizes of a model from ``run.json``, or from the description of the checkpoint."""
    try:
        if about.get("sizes"):
            return LlamaSizes(**about["sizes"])
        if compared.checkpoint is not None:
            return LlamaSizes.of_description(read_json(compared.checkpoint / DESCRIPTION))
    except (AttributeError, TypeError):
        pass
    return None
