"""Where the data of a recipe come from when its paper is reproduced: a simulated world or the published recordings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from calibration.calibrate import read_recordings
from calibration.papers.paper import Request
from calibration.progress import Progress
from calibration.recipe import Recipe
from streamkit.preprocess import PreprocessConfig
from streamkit.recording import Recording

S = TypeVar("S")


@dataclass(frozen=True)
class Source(Generic[S]):
    """Where a recipe's data come from; a paper's own adds what it makes of them.

    Attributes
    ----------
    settings
        Of its networks.
    loop
        Further keys of `calibration.training.settings.LoopSettings` that the recipe names.
    """

    recipe: Recipe
    request: Request
    settings: S
    loop: Mapping[str, Any]
    progress: Progress

    def raw(self, changes: Mapping[str, object]) -> tuple[Recipe, list[Recording]]:
        """The recipe without preprocessing, and its recordings; `changes` are values of a simulated world."""
        data = self.recipe.data.but(options=self.recipe.data.altered(changes))
        recipe = self.recipe.model_copy(update={"preprocess": PreprocessConfig(), "data": data})
        return recipe, read_recordings(recipe, self.request.data.get(recipe.data.dataset), self.progress)

    @property
    def training(self) -> dict[str, Any]:
        """Further arguments of what trains the networks."""
        request = self.request
        return {
            "scheduler": request.scheduler,
            "workers": request.workers,
            "loop": self.loop,
            "progress": self.progress,
            "resume": request.resume,
        }
