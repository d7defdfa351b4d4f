"""How well the activity that clips evoke is predicted: region by region, condition by condition.

Activity is standardised by mean and deviation of each site over training, so that no correlation is that of sites that
fire much with sites that fire much. Two levels again: the mean activity of all trials of a condition, as in the paper,
and single trials, of which the prediction knows nothing but the clip. Chance is the prediction for another condition's
clip, drawn by lot: what every condition evokes alike is in it, and it is far from 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from calibration.metrics import Draws
from calibration.spikes2video.analyses.bands import Band, in_band
from calibration.spikes2video.content import LEVELS, Level, correlated
from calibration.spikes2video.fit import Fitted
from calibration.spikes2video.material import Trials
from calibration.tables.items import Items, mean

Array = NDArray[np.floating]
Compare = Callable[[Array, Array], Array]
R, R2 = "encoder r", "encoder R²"


def predicted(fitted: Fitted, trials: Trials) -> Array:
    """Standardised activity of each condition, mean over the clips it shows: ``(n_conditions, n_bins, n_sites)``."""
    rows = np.unique(trials.shown)
    counts = dict(zip(rows.tolist(), fitted.predict_counts(trials.clips(rows)), strict=True))
    each = [np.mean([counts[row] for row in trials.shown[own]], axis=0) for _, own in trials.rows_of_conditions()]
    return standardised(np.stack(each), fitted)


def standardised(counts: Array, fitted: Fitted) -> Array:
    """Counts ``(…, n_sites)`` of the sites that the network predicts, as it was trained on them."""
    return (np.asarray(counts, np.float64) - fitted.mean) / fitted.std


def recorded(trials: Trials, fitted: Fitted, level: Level) -> list[Array]:
    """Standardised activity of each condition: ``(n_trials, n_bins, n_sites)``, one trial where all are averaged."""
    X = standardised(trials.X[:, :, fitted.sites], fitted)
    parts = [X[rows] for _, rows in trials.rows_of_conditions()]
    return [part.mean(0, keepdims=True) for part in parts] if level == "condition means" else parts


def table_of(prediction: Array, activity: list[Array], compare: Compare) -> Array:
    """``(m, m)``: the prediction for each condition beside the activity of each, mean over trials."""
    flat = prediction.reshape(len(prediction), -1)
    columns = [compare(flat, part.reshape(len(part), -1)) for part in activity]
    return np.stack([[mean(line) for line in column] for column in columns], axis=1)


def explained(a: Array, b: Array) -> Array:
    """``(n, m)`` share of the variance of each of `b` that each of `a` explains, over bins and sites together."""
    total = ((b - b.mean(1, keepdims=True)) ** 2).sum(1)
    apart = (a**2).sum(1)[:, None] - 2 * a @ b.T + (b**2).sum(1)[None]
    return 1 - np.divide(apart, total[None], out=np.full(apart.shape, np.nan), where=total[None] > 1e-12)


def items_of(name: str, table: Array, draws: Draws) -> Items:
    """Right predictions, condition by condition; the null permutes which prediction belongs to which condition."""
    rng, rows = np.random.default_rng(draws.seed), np.arange(len(table))
    null = np.array([mean(table[rng.permutation(rows), rows]) for _ in range(draws.permutations)])
    note = "chance: predictions for conditions drawn by lot"
    return Items(name, np.diag(table).copy(), mean(table), null, note=note, unit="conditions")


def by_region(fitted: Fitted, trials: Trials, draws: Draws) -> dict[tuple[str, Level], Items]:
    """Correlation over bins and sites of each region, at both levels."""
    prediction = predicted(fitted, trials)
    found = {}
    for level in LEVELS:
        activity = recorded(trials, fitted, level)
        for name in dict.fromkeys(fitted.region.tolist()):
            at = fitted.region == name
            table = table_of(prediction[..., at], [part[..., at] for part in activity], correlated)
            found[name, level] = items_of(R, table, draws)
    return found


def by_band(
    prediction: Array,
    activity: list[Array],
    region: NDArray[np.str_],
    sfreq: float,
    bands: Mapping[str, Band],
    draws: Draws,
) -> dict[tuple[str, str], Items]:
    """Variance explained in every band of frequency, of each region.

    Parameters
    ----------
    prediction, activity
        As of `predicted` and `recorded`.
    sfreq
        Bins per second.
    """
    found = {}
    for band, edges in bands.items():
        left = in_band(prediction, sfreq, edges)
        true = [in_band(part, sfreq, edges) for part in activity]
        for name in dict.fromkeys(region.tolist()):
            at = region == name
            table = table_of(left[..., at], [part[..., at] for part in true], explained)
            found[name, band] = items_of(R2, table, draws)
    return found
