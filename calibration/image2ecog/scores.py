"""How well trials are predicted, channel by channel, beside what predictions for other images get.

Most of what an image evokes, any image evokes: predictions correlate with trials though they know nothing of the
image. So beside each score stands what it is when the images are permuted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.image2ecog.fit import Fitted
from calibration.image2ecog.material import Material
from calibration.metrics import Draws
from calibration.tables.items import Items, mean

Array = NDArray[np.floating]
Indices = NDArray[np.integer]
R, MSE, EV = "r", "MSE", "explained variance"
METRICS = (R, MSE, EV)
LOWER = {MSE}


@dataclass(frozen=True)
class Scored:
    """One metric of one subject: every channel's trials of image i, by the prediction for image j.

    Attributes
    ----------
    table
        ``(n_chans, m, m)``, mean over the trials of each image; NaN for channels that were not predicted.
    trials
        ``(m,)`` trials of each image.
    """

    name: str
    table: Array
    trials: Array

    def channels(self) -> Array:
        """Mean over trials of each channel, ``(n_chans,)``."""
        return np.einsum("cii,i->c", self.table, self.trials) / self.trials.sum()

    def null(self, draws: Draws) -> Array:
        """The same with images permuted, ``(permutations, n_chans)``."""
        rng, m = np.random.default_rng(draws.seed), len(self.trials)
        at = np.arange(m)
        orders = [rng.permutation(m) for _ in range(draws.permutations)]
        found = [self.table[:, at, order] @ self.trials / self.trials.sum() for order in orders]
        return np.array(found).reshape(len(orders), len(self.table))

    def items(self, channels: Indices | slice, draws: Draws) -> Items:
        """Mean over some channels, image by image; chance is what predictions for other images get."""
        part = self.table[channels]
        kept = part[np.isfinite(part).all((1, 2))]
        table = kept.mean(0) if len(kept) else np.full(part.shape[1:], np.nan)
        own = np.eye(len(table), dtype=bool)
        null = self.null(draws)[:, channels]
        null = np.nanmean(null, axis=1) if len(kept) else np.full(len(null), np.nan)
        note = "mean over trials and channels; chance: predictions for other images"
        return Items(self.name, np.diag(table).copy(), mean(table[~own]), null, self.name in LOWER, note)


def score(fitted: Fitted, material: Material) -> dict[str, Scored]:
    """All metrics of the tested trials, by name; channels left out of the training are NaN.

    Single trials are scored, in standard deviations of each channel over the training trials. The metrics of waves are
    along time; of single values only the squared error is defined trial by trial.
    """
    if fitted.settings.head == "scalar":
        material = material.of(fitted.settings.span)
    rows = fitted.parts.test
    shown, own = np.unique(material.image[rows], return_inverse=True)
    predicted = fitted.standardised(material.images[shown])
    return score_arrays(
        fitted.standard.apply(material.Y[rows]), predicted, own, fitted.standard.kept, len(material.electrodes)
    )


def score_arrays(Y: Array, predicted: Array, own: Indices, kept: Indices, n_chans: int) -> dict[str, Scored]:
    """`score` of standardised arrays.

    Parameters
    ----------
    Y
        ``(n, n_kept, n_times)`` trials.
    predicted
        ``(m, n_kept, n_times)`` the prediction for each image.
    own
        ``(n,)`` which of them was shown.
    kept
        Which of `n_chans` channels these are.
    """
    m = len(predicted)
    trials = np.bincount(own, minlength=m).astype(np.float64)
    tables = {name: np.full((n_chans, m, m), np.nan) for name in METRICS}
    for k, channel in enumerate(kept):
        each = compared(Y[:, k].astype(np.float64), predicted[:, k].astype(np.float64))
        for name, table in each.items():
            sums = np.zeros((m, m))
            np.add.at(sums, own, table)
            tables[name][channel] = sums / trials[:, None]
    return {name: Scored(name, table, trials) for name, table in tables.items()}


def compared(Y: Array, predicted: Array) -> dict[str, Array]:
    """Every trial ``(n, n_times)`` with every prediction ``(m, n_times)``: ``(n, m)`` by metric.

    The correlation with a constant, and all that divides by the variance of one, is not defined and NaN.
    """
    n_times = Y.shape[1]
    squared = (Y**2).mean(1)[:, None] + (predicted**2).mean(1) - 2 * (Y @ predicted.T) / n_times
    a, b = (each - each.mean(1, keepdims=True) for each in (Y, predicted))
    cov = a @ b.T / n_times
    of_trial, of_prediction = (a**2).mean(1)[:, None], (b**2).mean(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        r = np.where((of_trial > 1e-18) & (of_prediction > 1e-18), cov / np.sqrt(of_trial * of_prediction), np.nan)
        explained = np.where(of_trial > 1e-18, (2 * cov - of_prediction) / of_trial, np.nan)
    return {R: r, MSE: squared, EV: explained}


def joined(folds: Sequence[Items]) -> Items:
    """One metric of several folds, whose images differ: their images together."""
    weights = np.array([len(items.each) for items in folds], float)
    first = folds[0]
    null = np.average([items.null for items in folds], axis=0, weights=weights)
    chance = float(np.average([items.chance for items in folds], weights=weights))
    note = f"{first.note}; {len(folds)} folds" if len(folds) > 1 else first.note
    each = np.concatenate([items.each for items in folds])
    return Items(first.name, each, chance, null, first.lower, note, first.permuted)


def values_r(fitted: Fitted, material: Material, draws: Draws) -> tuple[Array, Array]:
    """Correlation over the tested trials of each channel's value with its prediction, and with images permuted.

    Returns
    -------
    r, null
        ``(n_chans,)`` and ``(permutations, n_chans)``; NaN for channels that were not predicted.
    """
    material = material.of(fitted.settings.span)
    rows, n = fitted.parts.test, len(material.electrodes)
    shown, own = np.unique(material.image[rows], return_inverse=True)
    predicted = fitted.standardised(material.images[shown])[:, :, 0]
    Y = _centred(fitted.standard.apply(material.Y[rows])[:, :, 0])
    rng = np.random.default_rng(draws.seed)
    r, null = np.full(n, np.nan), np.full((draws.permutations, n), np.nan)
    r[fitted.standard.kept] = (Y * _centred(predicted[own])).sum(0)
    for k in range(draws.permutations):
        null[k, fitted.standard.kept] = (Y * _centred(predicted[rng.permutation(len(shown))[own]])).sum(0)
    return r, null


def _centred(values: Array) -> Array:
    """Columns of mean 0 and length 1; zeros where one is constant."""
    values = values.astype(np.float64) - values.mean(0)
    norm = np.linalg.norm(values, axis=0)
    return np.divide(values, norm, out=np.zeros_like(values), where=norm > 1e-12)
