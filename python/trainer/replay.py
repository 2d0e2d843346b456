"""What a model that is continued is told: without old data it forgets."""

from __future__ import annotations

from trainer.config import FitConfig
from trainer.mixture import Mixture
from trainer.tokens import TokenFolder


def replay_note(config: FitConfig, folder: TokenFolder) -> list[str]:
    """Return what to say to a run that continues a model on new data alone; nothing to any other.

    The shares are a place to begin: a little of the old data where the new is alike, more where it is another
    language. The learning rate warms up again over 1 % and decays to 10 %,
    which are the defaults of the schedule.
    """
    if (
        config.model.init.strategy != "continue"
        or config.data.without_replay
        or isinstance(folder, Mixture)
        or config.resume
    ):
        return []
    return [
        "note: a model continued on new data alone forgets; mix 5 % of its old data in (25 % for a new "
        f"language): prepcore mix --source new={folder.path}:95% old=OLD_TOKENS:5% --tokens N --out "
        "recipe.json, then --data.path recipe.json; or say --data.without-replay true"
    ]
