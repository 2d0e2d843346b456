"""What a run was trained on: the manifests of its token folders, as far as they are still there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prepcore.arguments import UsageError
from prepcore.mixture.recipe import Recipe
from trainer.report.facts import RunFacts, read_json


def data_of(facts: RunFacts) -> list[tuple[str, Mapping[str, Any], float | None]]:
    """Find the manifests of what a run was trained on, by name, with the shares of a mixture.

    A relative path is one from the folder in which this program runs, as it was for the run itself.
    """
    path = next((str(setting.value) for setting in facts.settings if setting.name == "data.path"), None)
    if path is None:
        return []
    place = Path(path)
    if place.is_dir():
        manifest = read_json(place / "manifest.json")
        return [(place.resolve().name, manifest, None)] if manifest else []
    try:
        recipe = Recipe.read(place)
    except UsageError:  # what can be read is told
        return []
    whole = sum(source.rows for source in recipe.sources)
    return [
        (source.name, read_json(Path(source.path) / "manifest.json"), source.rows / whole)
        for source in recipe.sources
    ]
