"""What every experiment is given beside the trained models."""

from __future__ import annotations

from pydantic import Field

from calibration.image2ecog.frequency import EDGE_HZ
from calibration.image2ecog.regions import Thin
from calibration.tables.experiment import Drawing


class Plan(Drawing):
    """Sizes of the experiments.

    Parameters
    ----------
    folds
        Which parts of a split are tested in turn. The paper has one; with few things to show, more of them test more.
    thin
        Which regions are too thin for a table.
    edge
        Hz, between low and high frequencies of signals.
    shares
        Of the channels, the best by signal to noise, whose scores are compared.
    """

    folds: tuple[int, ...] = Field((0,), min_length=1)
    thin: Thin = Thin()
    edge: float = Field(EDGE_HZ, gt=0)
    shares: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0)
    permutations: int = Field(1000, ge=1)
