"""Scores against the strength of the tuning, beside an oracle; simulated worlds alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calibration.spikes2video.experiments.decoding import NETWORKS
from calibration.spikes2video.experiments.plan import Plan
from calibration.spikes2video.oracle import expected_clips, posterior
from calibration.spikes2video.scores import differences, of_models, rows_of, score, stacked
from calibration.spikes2video.settings import Spikes2VideoSettings
from calibration.spikes2video.trained import Trained
from calibration.tables.experiment import SIGNALS
from calibration.tables.items import Row
from calibration.tables.plots import courses
from calibration.tables.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ORACLE = "oracle"


@dataclass(frozen=True)
class Known:
    """A simulated population and the truth about it.

    Attributes
    ----------
    rates
        ``(n_conditions, n_bins, n_sites)`` Hz at a gain of 1.
    gain_sd
        Deviation of the gain that the sites of a region share in a trial.
    """

    trained: Trained
    rates: NDArray[np.floating]
    gain_sd: float


def noise(
    known: Callable[[float], Known],
    settings: Spikes2VideoSettings,
    seeds: Sequence[int],
    plan: Plan,
    signals: Sequence[float] = SIGNALS,
) -> Table:
    """All three networks at several signals, the U-Net less each of the others, and the oracle.

    Parameters
    ----------
    known
        The population at a signal.
    """
    rows: list[Row] = []
    for signal in signals:
        rows += _at(signal, known(signal), settings, seeds, plan)
    return Table(rows)


def _at(signal: float, known: Known, settings: Spikes2VideoSettings, seeds: Sequence[int], plan: Plan) -> list[Row]:
    trained, draws = known.trained, plan.draws
    test = trained.material.test
    models = trained.all([settings.but(network=name) for name in NETWORKS], seeds)
    scored = {NETWORKS[name]: of_models(each, test, draws) for name, each in zip(NETWORKS, models, strict=True)}
    best = expected_clips(test, posterior(test, known.rates, known.gain_sd))
    scored[ORACLE] = stacked([score(best, test, draws)])
    rows: list[Row] = []
    for name, found in scored.items():
        rows += rows_of(f"{name}, signal {signal:g}", found, test, draws, signal=signal, decoder=name)
    first, *others = NETWORKS.values()
    for name in others:
        label = f"{first} − {name}, signal {signal:g}"
        rows += differences(label, scored[name], scored[first], draws, signal=signal)
    return rows


def draw(table: Table) -> Figure:
    """Single trials: every metric against the signal."""
    rows = [line for line in table.rows if line["level"] == "single trials"]
    return courses("signal", "signal", split="decoder")(Table(rows))
