"""How well trials are predicted, channel by channel, beside what predictions for other things get.

Most of what an image evokes, any image evokes: predictions correlate with trials though they know nothing of the
image. So beside each score stands what it is when the things that images show are permuted, with all their views.
Every image counts once in a score, its chance and its permutations, however many trials it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from calibration.image2ecog.fit import Fitted
from calibration.image2ecog.material import Material
from calibration.image2ecog.things import alongside, beside, name_of, of_others, orders, own_of, things_of
from calibration.metrics import Draws
from calibration.tables.items import Items

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
    thing
        ``(m,)`` which thing each image shows; a number of its own where images are the unit.
    """

    name: str
    table: Array
    thing: Indices

    @property
    def permuted(self) -> str:
        """What `null` permutes: ``"things"`` or ``"images"``."""
        return name_of(self.thing)

    def channels(self) -> Array:
        """Mean over images of each channel, ``(n_chans,)``."""
        return np.einsum("cii->c", self.table) / len(self.thing)

    def chance(self) -> Array:
        """Mean over images of what predictions for all images of other things get, ``(n_chans,)``."""
        return np.array([of_others(table, self.thing) for table in self.table])

    def null(self, draws: Draws) -> Array:
        """`channels` with whole things permuted, ``(n_permutations, n_chans)``; see `things.orders`."""
        at, moved = np.arange(len(self.thing)), orders(self.thing, draws)
        found = [self.table[:, at, order].mean(1) for order in moved]
        return np.array(found).reshape(len(moved), len(self.table))

    def items(self, channels: Indices | slice, draws: Draws) -> Items:
        """Mean over some channels, image by image; chance is what predictions for other things get."""
        part = self.table[channels]
        kept = part[np.isfinite(part).all((1, 2))]
        table = kept.mean(0) if len(kept) else np.full(part.shape[1:], np.nan)
        note = f"mean over channels and each image's trials, every image once; {beside(self.thing)}"
        return own_of(self.name, table, self.thing, draws, self.name in LOWER, note)


def score(fitted: Fitted, material: Material) -> dict[str, Scored]:
    """All metrics of the tested trials, by name; channels left out of the training are NaN.

    Single trials are scored, in standard deviations of each channel over the training trials. The metrics of waves are
    along time; of single values only the squared error is defined trial by trial.
    """
    if fitted.settings.head == "scalar":
        material = material.of(fitted.settings.span)
    rows = fitted.parts.test
    shown, own = np.unique(material.image[rows], return_inverse=True)
    predicted, Y = fitted.standardised(material.images[shown]), fitted.standard.apply(material.Y[rows])
    thing = things_of(material, fitted.settings, shown)
    return score_arrays(Y, predicted, own, fitted.standard.kept, len(material.electrodes), thing)


def score_arrays(
    Y: Array, predicted: Array, own: Indices, kept: Indices, n_chans: int, thing: Indices | None = None
) -> dict[str, Scored]:
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
    thing
        ``(m,)`` which thing each image shows; by default each its own.
    """
    m = len(predicted)
    thing = np.arange(m) if thing is None else thing
    trials = np.bincount(own, minlength=m).astype(np.float64)
    tables = {name: np.full((n_chans, m, m), np.nan) for name in METRICS}
    for k, channel in enumerate(kept):
        each = compared(Y[:, k].astype(np.float64), predicted[:, k].astype(np.float64))
        for name, table in each.items():
            sums = np.zeros((m, m))
            np.add.at(sums, own, table)
            tables[name][channel] = sums / trials[:, None]
    return {name: Scored(name, table, thing) for name, table in tables.items()}


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
    """One metric of several folds: their images together, every one counted once."""
    weights = np.array([len(items.each) for items in folds], float)
    first = folds[0]
    return replace(
        first,
        each=np.concatenate([items.each for items in folds]),
        chance=float(np.average([items.chance for items in folds], weights=weights)),
        null=np.average(alongside([items.null for items in folds]), axis=0, weights=weights),
        note=f"{first.note}; {len(folds)} folds" if len(folds) > 1 else first.note,
        group=np.concatenate([items.group for items in folds if items.group is not None]),
    )


def values_r(fitted: Fitted, material: Material, draws: Draws) -> tuple[Array, Array]:
    """Correlation over the tested trials of each channel's value with its prediction, and with whole things permuted.

    Returns
    -------
    r, null
        ``(n_chans,)`` and ``(n_permutations, n_chans)``; NaN for channels that were not predicted.
    """
    material = material.of(fitted.settings.span)
    rows, n = fitted.parts.test, len(material.electrodes)
    shown, own = np.unique(material.image[rows], return_inverse=True)
    predicted = fitted.standardised(material.images[shown])[:, :, 0]
    Y = _centred(fitted.standard.apply(material.Y[rows])[:, :, 0])
    moved = orders(things_of(material, fitted.settings, shown), draws)
    r, null = np.full(n, np.nan), np.full((len(moved), n), np.nan)
    r[fitted.standard.kept] = (Y * _centred(predicted[own])).sum(0)
    for line, order in zip(null, moved, strict=True):
        line[fitted.standard.kept] = (Y * _centred(predicted[order[own]])).sum(0)
    return r, null


def _centred(values: Array) -> Array:
    """Columns of mean 0 and length 1; zeros where one is constant."""
    values = values.astype(np.float64) - values.mean(0)
    norm = np.linalg.norm(values, axis=0)
    return np.divide(values, norm, out=np.zeros_like(values), where=norm > 1e-12)
