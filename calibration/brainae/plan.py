"""What every experiment is given beside the trained models."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from calibration.brainae.curves import WIDTH
from calibration.brainae.masks import PATCH, RATIOS
from calibration.brainae.objective import TAUS
from calibration.brainae.settings import BACKBONES, Backbone
from calibration.brainae.trained import Trained
from calibration.tables.experiment import Drawing


class Plan(Drawing):
    """Sizes of the experiments; the defaults are the paper's.

    Parameters
    ----------
    window, patch
        Samples that a temporal mask steps by, and of a patch taken out of a signal.
    taus, ratios, backbones
        What is swept.
    """

    window: int = Field(WIDTH, ge=1)
    patch: int = Field(PATCH, ge=1)
    taus: tuple[float, ...] = Field(TAUS, min_length=1)
    ratios: tuple[float, ...] = Field(RATIOS, min_length=1)
    backbones: tuple[Backbone, ...] = Field(BACKBONES, min_length=1)


def mean_response(trained: Trained, shape: tuple[int, ...]) -> NDArray[np.floating]:
    """The mean response trained on, for every image: what is common to all of them."""
    return np.broadcast_to(trained.material.train.X.mean(0, dtype=np.float64), shape)
