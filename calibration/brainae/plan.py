"""What every experiment is given beside the trained models, and what an experiment is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from calibration.brainae.curves import WIDTH
from calibration.brainae.masks import PATCH, RATIOS
from calibration.brainae.objective import TAUS
from calibration.brainae.settings import BACKBONES, Backbone, BrainAESettings
from calibration.brainae.trained import Trained
from calibration.metrics import Draws
from calibration.sections import Section
from calibration.tables.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Plan(Section):
    """Sizes of the experiments; the defaults are the paper's.

    Parameters
    ----------
    window, patch
        Samples that a temporal mask steps by, and of a patch taken out of a signal.
    taus, ratios, backbones
        What is swept.
    bootstrap, permutations, seed
        Of intervals and p values.
    """

    window: int = Field(WIDTH, ge=1)
    patch: int = Field(PATCH, ge=1)
    taus: tuple[float, ...] = Field(TAUS, min_length=1)
    ratios: tuple[float, ...] = Field(RATIOS, min_length=1)
    backbones: tuple[Backbone, ...] = Field(BACKBONES, min_length=1)
    bootstrap: int = Field(1000, ge=1)
    permutations: int = Field(1000, ge=0)
    seed: int = Field(0, ge=0)

    @property
    def draws(self) -> Draws:
        """As the scores take them."""
        return Draws(self.bootstrap, self.permutations, self.seed)


Run = Callable[[Trained, BrainAESettings, Sequence[int], Plan], Table]


@dataclass(frozen=True)
class Experiment:
    """One experiment of the paper.

    Attributes
    ----------
    title
        One line.
    run
        From models, settings, seeds and plan to a table.
    draw
        From the table to its figure.
    """

    name: str
    title: str
    run: Run
    draw: Callable[[Table], Figure]


def mean_response(trained: Trained, shape: tuple[int, ...]) -> NDArray[np.floating]:
    """The mean response trained on, for every image: what is common to all of them."""
    return np.broadcast_to(trained.material.train.X.mean(0, dtype=np.float64), shape)
