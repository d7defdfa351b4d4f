"""What a decoder could reach at best in a simulated world: the rates of every condition are known to the oracle.

It works out how likely each condition is, given the counts of a trial, and shows the mean of all conditions' clips
weighted by that: no reconstruction has a smaller squared error on average. Counts are Poisson, and the gain that the
sites of a region share in a trial is averaged over.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calibration.spikes2video.material import Trials
from streamkit.errors import BadInput

Array = NDArray[np.floating]
NODES = 15
"""Gains at which the average over them is taken (Gauss and Hermite)."""
TINY = 1e-6
"""Smallest expected count of a bin: a rate of 0 would rule a condition out for one stray spike."""


def posterior(trials: Trials, rates: Array, gain_sd: float) -> Array:
    """``(n, n_conditions)`` how likely each condition is; all are equally likely beforehand.

    Parameters
    ----------
    rates
        ``(n_conditions, n_bins, n_sites)`` Hz at a gain of 1.
    gain_sd
        Standard deviation of the gain of a region (log-normal, mean 1).

    Raises
    ------
    BadInput
        When the rates are not those of the trials' bins and sites.
    """
    if rates.shape[1:] != trials.size:
        raise BadInput(f"rates are of {rates.shape[1:]} bins and sites, the trials of {trials.size}")
    expected = np.maximum(rates / trials.sfreq, TINY)
    gains, weights = lognormal_nodes(gain_sd)
    total = np.zeros((len(trials), len(rates)))
    for name in trials.regions:
        sites = trials.sites(name)
        X = trials.X[:, :, sites].reshape(len(trials), -1).astype(np.float64)
        mean = expected[:, :, sites].reshape(len(rates), -1)
        fits = (X @ np.log(mean).T)[..., None] + X.sum(1)[:, None, None] * np.log(gains)
        fits = fits - mean.sum(1)[None, :, None] * gains + np.log(weights)
        most = fits.max(2, keepdims=True)
        total += most[..., 0] + np.log(np.exp(fits - most).sum(2))
    likely = np.exp(total - total.max(1, keepdims=True))
    return likely / likely.sum(1, keepdims=True)


def lognormal_nodes(sd: float) -> tuple[Array, Array]:
    """Gains of mean 1 and this deviation, and the weight of each in an average over them."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES if sd > 0 else 1)
    sigma = np.sqrt(np.log1p(sd**2))
    return np.exp(sigma * nodes - sigma**2 / 2), weights / weights.sum()


def expected_clips(trials: Trials, likely: Array) -> NDArray[np.float32]:
    """Mean clip of all conditions, weighted: ``(n, 3, n_frames, height, width)`` in [0, 1].

    Parameters
    ----------
    likely
        ``(n, n_conditions)``, as `posterior` gives.
    """
    means = clips_of_conditions(trials)
    return (likely.astype(np.float32) @ means.reshape(len(means), -1)).reshape(len(likely), *means.shape[1:])


def clips_of_conditions(trials: Trials) -> NDArray[np.float32]:
    """``(n_conditions, 3, n_frames, height, width)`` the mean clip that trials of each condition show.

    Raises
    ------
    BadInput
        When a condition has no trial.
    """
    shown = dict(trials.rows_of_conditions())
    absent = [number for number in range(len(trials.conditions)) if number not in shown]
    if absent:
        raise BadInput(f"condition {absent[0]} has no trial, so its clip is not known")
    return np.stack([trials.clips(np.unique(trials.shown[rows])).mean(0) for rows in shown.values()])
