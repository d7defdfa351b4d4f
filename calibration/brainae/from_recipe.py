"""BrainAE's settings from a recipe."""

from __future__ import annotations

from typing import Any

from calibration.brainae.settings import BrainAESettings
from calibration.recipe import Recipe
from calibration.system_settings import settings_from

OF_THE_TRAINING = ("epochs", "batch_size", "lr", "betas", "seed")
"""Keys of a recipe's ``train`` that `BrainAESettings` has as well."""


def settings_of(recipe: Recipe) -> tuple[BrainAESettings, dict[str, Any]]:
    """Settings of BrainAE from ``model.args`` and ``train``, and what further keys of the loop the recipe names.

    Raises
    ------
    ConfigError
        For an argument that BrainAE does not have, or a wrong value; names the key.
    """
    return settings_from(recipe, BrainAESettings, "BrainAE", OF_THE_TRAINING)
