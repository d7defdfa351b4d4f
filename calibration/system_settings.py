"""Settings of a system of a paper, from ``model.args`` and ``train`` of a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from calibration.recipe import Recipe
from calibration.sections import Section
from calibration.training.settings import LoopSettings
from streamkit.errors import ConfigError

S = TypeVar("S", bound=Section)


def settings_from(
    recipe: Recipe, settings: type[S], system: str, of_training: Sequence[str]
) -> tuple[S, dict[str, Any]]:
    """Settings of a system, and what further keys of the training loop the recipe names.

    Parameters
    ----------
    settings
        What is told to the system's training.
    system
        What messages call it.
    of_training
        Keys of a recipe's ``train`` that `settings` has as well.

    Raises
    ------
    ConfigError
        For an argument that the system does not have, or a wrong value; names the key.
    """
    if recipe.split.cv != "none":
        raise ConfigError(
            f"split.cv: a recipe with target kind {recipe.target.kind!r} is not cross-validated; leave it out"
        )
    train, named = recipe.train, recipe.train.model_fields_set
    keys = {key: getattr(train, key) for key in of_training if key in named}
    loop = {key: getattr(train, key) for key in LoopSettings.model_fields if key in named - set(of_training)}
    unknown = [key for key in recipe.model.args if key not in settings.model_fields]
    if unknown:
        known = [key for key in settings.model_fields if key not in of_training]
        raise ConfigError(f"model.args: {system} takes no {unknown[0]!r}. It takes {', '.join(known)}")
    try:
        return settings.model_validate({"seed": train.seed, **recipe.model.args, **keys}), loop
    except ValueError as error:
        raise ConfigError(f"model.args: {_first(error)}") from error


def _first(error: ValueError) -> str:
    found = error.errors()[0] if hasattr(error, "errors") else None
    return str(error) if found is None else f"{'.'.join(map(str, found['loc']))}: {found['msg']}"
