"""The error of a run that had begun; before that, it is a ``prepcore.arguments.UsageError``."""


class TrainingError(RuntimeError):
    """A run could not go on; the checkpoints saved before stay usable.

    Parameters
    ----------
    message
        A sentence: what happened, at which step, the value seen.
    hint
        What to try, without the word ``hint``.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message}\nhint: {hint}" if hint else message)
