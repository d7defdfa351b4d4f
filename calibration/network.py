"""Networks by name: the entry points of the group ``streamkit.models``."""

from __future__ import annotations

import difflib
import inspect
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from streamkit.errors import ConfigError, require

if TYPE_CHECKING:
    from torch import nn

GROUP = "streamkit.models"


@dataclass(frozen=True)
class Network:
    """A builder's name and all its keyword arguments; `build` gives a fresh module."""

    name: str
    args: dict[str, Any] = field(default_factory=dict)

    def build(self, seed: int) -> nn.Module:
        """Build the module with weights drawn from `seed`.

        Raises
        ------
        ConfigError
            For an unknown name, a wrong argument or sizes that do not fit; says which.
        """
        builder = builder_of(self.name)
        known = list(inspect.signature(builder).parameters)
        unknown = [key for key in self.args if key not in known]
        if unknown:
            close = difflib.get_close_matches(unknown[0], known, 1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ConfigError(f"model.args: {self.name!r} takes no {unknown[0]!r}.{hint} It takes {', '.join(known)}")
        require("torch", "train", "calibration").manual_seed(seed)
        try:
            return builder(**self.args)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"model {self.name!r} cannot be built: {error}") from error


def builder_of(name: str) -> Any:
    """Return what builds the networks called `name`.

    Raises
    ------
    ConfigError
        When there is no such model; names the closest.
    MissingPackage
        When torch is not installed.
    """
    require("torch", "train", "calibration")
    known = {point.name: point for point in entry_points(group=GROUP)}
    if name not in known:
        close = difflib.get_close_matches(name, known, 1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise ConfigError(f"model.name: there is no model {name!r}.{hint} Models: {', '.join(sorted(known))}")
    return known[name].load()
