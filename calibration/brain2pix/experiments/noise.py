"""Scores against the strength of the signal, from none at all to an oracle's; simulated worlds alone.

The oracle is the same network, trained and tested on what drives each voxel at the moment of the very frame: free of
noise, and not smeared by the blood. It is told more than any recording holds, and stands as a ceiling for networks of
this kind, not as the best that could be done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calibration.brain2pix.experiments.painting import FIXED, MEAN, SHEN, mean_of, scored
from calibration.brain2pix.experiments.plan import Plan
from calibration.brain2pix.material import Material, Movie
from calibration.brain2pix.scores import differences, rows_of
from calibration.brain2pix.settings import Brain2PixSettings
from calibration.brain2pix.trained import Trained
from calibration.tables.experiment import SIGNALS
from calibration.tables.items import Row
from calibration.tables.plots import courses
from calibration.tables.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ORACLE = "oracle"


@dataclass(frozen=True)
class Known:
    """Simulated films, and what drives their voxels.

    Attributes
    ----------
    drive
        From uint8 frames ``(n, 3, height, width)`` to ``(n, n_voxels)``.
    """

    trained: Trained
    drive: Callable[[NDArray[np.uint8]], NDArray[np.floating]]


def noise(
    known: Callable[[float], Known],
    settings: Brain2PixSettings,
    seeds: Sequence[int],
    plan: Plan,
    signals: Sequence[float] = SIGNALS,
) -> Table:
    """FixedRF, Shen, and FixedRF less Shen at several signals; the mean frame and the oracle at each.

    Parameters
    ----------
    known
        The films at a signal.
    """
    rows: list[Row] = []
    best = None
    for signal in signals:
        at = known(signal)
        if best is None:  # the oracle's films are free of noise, so the same at every signal
            told = replace(at.trained, material=undisturbed(at.trained.material, at.drive), kept={})
            best = scored(told.of(settings, seeds), told.material.test, plan)
        rows += _at(signal, at.trained, settings, seeds, plan)
        rows += rows_of(f"{ORACLE}, signal {signal:g}", best, plan.draws, signal=signal, decoder=ORACLE)
    return Table(rows)


def _at(signal: float, trained: Trained, settings: Brain2PixSettings, seeds: Sequence[int], plan: Plan) -> list[Row]:
    variants = [settings.but(network="fixed"), settings.but(network="shen")]
    fixed, shen = (scored(each, trained.material.test, plan) for each in trained.all(variants, seeds))
    rows: list[Row] = []
    for name, found in ((FIXED, fixed), (SHEN, shen), (MEAN, [mean_of(trained, plan)])):
        rows += rows_of(f"{name}, signal {signal:g}", found, plan.draws, signal=signal, decoder=name)
    return rows + differences(f"{FIXED} − {SHEN}, signal {signal:g}", shen, fixed, plan.draws, signal=signal)


def undisturbed(material: Material, drive: Callable[[NDArray[np.uint8]], NDArray[np.floating]]) -> Material:
    """The material with the drive of every voxel by the frame itself in the place of what was recorded."""
    parts = {name: driven(getattr(material, name), drive) for name in ("train", "validation", "test")}
    return replace(material, **parts)


def driven(movie: Movie, drive: Callable[[NDArray[np.uint8]], NDArray[np.floating]]) -> Movie:
    """The film with what drives each voxel at the moment of every frame, the same at every lag."""
    values = np.asarray(drive(movie.frames[movie.frame]), np.float32)
    return replace(
        movie,
        voxels=np.repeat(values, movie.n_lags, axis=0),
        of_volume=np.repeat(movie.run, movie.n_lags),
        first=np.arange(len(movie)) * movie.n_lags,
    )


def draw(table: Table) -> Figure:
    """Every metric against the signal."""
    return courses("signal", "signal", split="decoder")(table)
