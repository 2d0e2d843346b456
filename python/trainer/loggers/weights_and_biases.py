"""Weights & Biases: a run there for each run here, continued when it is continued.

Where it goes is W&B's own business: ``wandb login`` and the variables ``WANDB_PROJECT``, ``WANDB_ENTITY`` and
``WANDB_MODE`` (``offline`` keeps everything in the folder of the run, for ``wandb sync``) hold as everywhere.
Code, the differences of a git repository and what is printed are not sent.
"""

from __future__ import annotations

import html
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import wandb

from prepcore.arguments import UsageError
from trainer.callbacks.lines import read
from trainer.display import Record
from trainer.loggers import figures


def check_key() -> None:
    """Refuse to begin a run whose figures could not be sent.

    Raises
    ------
    UsageError
        When W&B is to send and knows no key.
    """
    if wandb.setup().settings.mode in ("offline", "dryrun", "disabled"):
        return
    try:
        known = wandb.login(prompt=False)
    except Exception as error:  # its own errors have no narrower parent
        raise UsageError(
            f"--logger wandb: Weights & Biases refuses its key: {error}",
            "log in again with `wandb login`, or set WANDB_MODE=offline to send later",
        ) from error
    if not known:
        raise UsageError(
            "--logger wandb: Weights & Biases has no key to send with",
            "log in once with `wandb login`, or set WANDB_MODE=offline to send later",
        )


class WeightsAndBiases:
    """Sends the figures of a run.

    Parameters
    ----------
    folder
        Folder of the run; its name is that of the run at W&B, and ``wandb/`` in it what W&B keeps.
    metrics
        The log as the run before left it. Lines that were lost with a kill were sent already: W&B cannot take
        a line back, so those steps are not sent again when they are done again.
    configuration
        The whole configuration, by dotted keys.
    first_step
        Step the run begins or continues at.
    """

    def __init__(
        self, folder: Path, metrics: Path, configuration: Mapping[str, Any], first_step: int
    ) -> None:
        identity = folder / "wandb" / "id.txt"
        self._sent: set[tuple[int, bool]] = set()
        if identity.is_file():
            self._sent = {
                (int(line["step"]), bool(line["validation_loss"]))
                for line in read(metrics)
                if int(line["step"]) > first_step
            }
        else:
            identity.parent.mkdir(parents=True, exist_ok=True)
            identity.write_text(secrets.token_hex(4), encoding="ascii")
        self.run = wandb.init(
            id=identity.read_text(encoding="ascii"),
            name=folder.resolve().name,
            dir=folder,
            config=dict(configuration),
            resume="allow",
            settings=wandb.Settings(silent=True, console="off", save_code=False, disable_git=True),
        )
        # Steps are a figure like the others, so that training and validation of one step may come apart.
        self.run.define_metric("*", step_metric="step")

    def log(self, record: Record) -> None:
        """Send the figures of a line."""
        step, validation = int(record["step"] or 0), record.get("validation_loss") is not None
        if (step, validation) not in self._sent:
            self.run.log({"step": step, "tokens": record.get("tokens"), **figures(record)})

    def text(self, step: int, prompt: str, continuation: str) -> None:
        """Send a text, as text."""
        if (step, True) not in self._sent:
            page = wandb.Html(f"<pre>{html.escape(prompt + continuation)}</pre>", inject=False)
            self.run.log({"step": step, f"samples/{prompt}": page})

    def close(self) -> None:
        """Wait until everything is sent, or written where W&B is offline."""
        self.run.finish()
