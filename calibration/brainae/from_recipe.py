"""BrainAE's settings from a recipe."""

from __future__ import annotations

from typing import Any

from calibration.brainae.settings import BrainAESettings
from calibration.recipe import Recipe
from calibration.training.settings import LoopSettings
from streamkit.errors import ConfigError

OF_THE_TRAINING = ("epochs", "batch_size", "lr", "betas", "seed")
"""Keys of a recipe's ``train`` that `BrainAESettings` has as well."""


def settings_of(recipe: Recipe) -> tuple[BrainAESettings, dict[str, Any]]:
    """Settings of BrainAE from ``model.args`` and ``train``, and what further keys of the loop the recipe names.

    Raises
    ------
    ConfigError
        For an argument that BrainAE does not have, or a wrong value; names the key.
    """
    if recipe.split.cv != "none":
        raise ConfigError("split.cv: a recipe with target kind 'embedding' is not cross-validated; leave it out")
    train, named = recipe.train, recipe.train.model_fields_set
    keys = {key: getattr(train, key) for key in OF_THE_TRAINING if key in named}
    loop = {key: getattr(train, key) for key in LoopSettings.model_fields if key in named - set(OF_THE_TRAINING)}
    unknown = [key for key in recipe.model.args if key not in BrainAESettings.model_fields]
    if unknown:
        known = [key for key in BrainAESettings.model_fields if key not in OF_THE_TRAINING]
        raise ConfigError(f"model.args: BrainAE takes no {unknown[0]!r}. It takes {', '.join(known)}")
    try:
        return BrainAESettings.model_validate({"seed": train.seed, **recipe.model.args, **keys}), loop
    except ValueError as error:
        raise ConfigError(f"model.args: {_first(error)}") from error


def _first(error: ValueError) -> str:
    found = error.errors()[0] if hasattr(error, "errors") else None
    return str(error) if found is None else f"{'.'.join(map(str, found['loc']))}: {found['msg']}"
