"""What every experiment is given beside the trained models, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from calibration.brainae.curves import WIDTH
from calibration.brainae.items import Row
from calibration.brainae.masks import PATCH, RATIOS
from calibration.brainae.objective import TAUS
from calibration.brainae.settings import BACKBONES, Backbone, BrainAESettings
from calibration.brainae.trained import Trained
from calibration.metrics import Draws
from calibration.sections import Section

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


@dataclass(frozen=True)
class Table:
    """What an experiment found.

    Attributes
    ----------
    rows
        Lines with ``row``, ``metric``, ``value``, ``chance``, ``ci95``, ``p``, ``n``, ``note`` and what is the
        experiment's own; a value that could not be had is None, and the note says why.
    arrays
        What its figure needs beside them.
    """

    rows: list[Row]
    arrays: dict[str, NDArray] = field(default_factory=dict)

    def value(self, row: str, metric: str) -> float | None:
        """The value of one line."""
        return next(line["value"] for line in self.rows if (line["row"], line["metric"]) == (row, metric))


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


def not_run(row: str, metric: str, why: object) -> Row:
    """A line for what could not be had."""
    return {
        "row": row,
        "metric": metric,
        "value": None,
        "chance": None,
        "ci95": [None, None],
        "p": None,
        "n": 0,
        "note": f"not run: {why}",
    }


def mean_response(trained: Trained, shape: tuple[int, ...]) -> NDArray[np.floating]:
    """The mean response trained on, for every image: what is common to all of them."""
    return np.broadcast_to(trained.material.train.X.mean(0, dtype=np.float64), shape)
