"""When the page of a run is written."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as lightning

from trainer.display import Display
from trainer.report.page import write_report
from trainer.run_folder import RunFolder


class Report(lightning.Callback):
    """Writes ``report.html`` at each validation, at the end, and when the run stops.

    A page that cannot be written costs the page and never the run.

    Parameters
    ----------
    run
        The folder of the run.
    display
        The screen, which is told of the first failure.
    """

    def __init__(self, run: RunFolder, display: Display) -> None:
        self.run = run
        self.display = display
        self._failed = False

    def on_validation_end(self, trainer: lightning.Trainer, module: Any) -> None:
        """Show what the validation found."""
        self.write()

    def on_train_end(self, trainer: lightning.Trainer, module: Any) -> None:
        """Show the end."""
        self.write()

    def on_exception(self, trainer: lightning.Trainer, module: Any, exception: BaseException) -> None:
        """Show how far the run came."""
        self.write()

    def write(self) -> None:
        """Write the page."""
        try:
            write_report(self.run)
        except Exception as error:  # a full disk, a file that somebody else has changed
            if not self._failed:
                self._failed = True
                self.display.line(f"{self.run.report} cannot be written, and the run goes on: {error}")
