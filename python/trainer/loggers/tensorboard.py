"""TensorBoard: event files in the folder of the run, for ``tensorboard --logdir runs``."""

from __future__ import annotations

from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from trainer.display import Record
from trainer.loggers import figures


class TensorBoard:
    """Writes event files.

    Parameters
    ----------
    folder
        Where they go.
    first_step
        Step the run begins or continues at. What earlier files hold of later steps is purged: TensorBoard
        does not show it, and the steps done again are there once.
    """

    def __init__(self, folder: Path, first_step: int) -> None:
        # TensorBoard purges from the second such mark on, so a run begins with one, too.
        self.writer = SummaryWriter(str(folder), purge_step=first_step + 1 if folder.is_dir() else 0)

    def log(self, record: Record) -> None:
        """Write the figures of a line."""
        for name, value in figures(record).items():
            self.writer.add_scalar(name, value, int(record["step"] or 0))
        # The log and the events tell the same after a kill at any moment: lines are seldom, so this is cheap.
        self.writer.flush()

    def text(self, step: int, prompt: str, continuation: str) -> None:
        """Write a text; TensorBoard reads Markdown, in which an indented block stands as it is."""
        block = "\n".join(f"    {line}" for line in (prompt + continuation).splitlines())
        self.writer.add_text(f"samples/{prompt}", block, step)
        self.writer.flush()

    def close(self) -> None:
        """Close the file."""
        self.writer.close()
