"""Macaque V4 and natural pictures, as the benchmarks on them share it: four sessions, folds of whole clusters, ridge.

Pictures of all sessions are clustered, near-twins together, and whole clusters dealt into five folds: no picture that
is tested in any session, and none like it, is trained on in another.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.closed_form import ridge_raw
from calibration.datasets.cowley_v4 import read_counts, read_images
from calibration.datasets.twins import clusters, deal
from calibration.features.gabor import gabor_pyramid
from calibration.features.resample import resize
from calibration.metrics import pearson
from calibration.targets import GREY

Array = NDArray[np.floating]
SESSIONS = ("190927", "201025", "210224", "210325")
SIZE, GREY_SIZE, FOLDS, TWIN = 56, 28, 5, 0.9
DRAWS = 200
N_WAY = 100


@dataclass(frozen=True)
class Data:
    """Every picture of every session once per session, and every unit.

    Attributes
    ----------
    images, grey
        ``(n, 3, SIZE, SIZE)`` and ``(n, 1, GREY_SIZE, GREY_SIZE)``.
    pyramid, grey_pyramid
        ``(n, 1024)``, of the pictures as they are and of those in `grey`.
    Y
        ``(n, n_units)``, NaN for units of other sessions.
    session, fold, cluster
        ``(n,)``.
    unit_session
        ``(n_units,)``.
    """

    images: Array
    grey: Array
    pyramid: Array
    grey_pyramid: Array
    Y: Array
    session: NDArray[np.intp]
    fold: NDArray[np.intp]
    cluster: NDArray[np.intp]
    unit_session: NDArray[np.intp]


def read(path: Path) -> Data:
    """All sessions."""
    pictures = [read_images(path, name)[1] for name in SESSIONS]
    counts = [read_counts(path, name, "averaged")[:, :, 0].T for name in SESSIONS]
    whole = np.concatenate(pictures)
    session = np.repeat(np.arange(len(SESSIONS)), [len(each) for each in pictures])
    unit_session = np.repeat(np.arange(len(SESSIONS)), [each.shape[1] for each in counts])
    Y = np.full((len(whole), len(unit_session)), np.nan)
    for k, each in enumerate(counts):
        Y[np.ix_(session == k, unit_session == k)] = each
    cluster = clusters(whole, TWIN)
    small = resize(whole, (SIZE, SIZE)).astype(np.float32)
    plain = np.einsum("c,nchw->nhw", GREY, whole)[:, None]
    grey = resize(plain.astype(np.float32), (GREY_SIZE, GREY_SIZE))
    pyramids = gabor_pyramid(whole), gabor_pyramid(np.repeat(grey, 3, 1))
    return Data(small, grey, *pyramids, Y, session, deal(cluster, FOLDS, 0), cluster, unit_session)


def distractors(data: Data) -> NDArray[np.intp]:
    """``(n, N_WAY - 1)`` other pictures that each one is told from: the same for every method, drawn once.

    They are of the same session and fold, and of other clusters; -1 where there are not so many.
    """
    rng = np.random.default_rng(0)
    found = np.full((len(data.fold), N_WAY - 1), -1)
    for row in range(len(data.fold)):
        same = (data.session == data.session[row]) & (data.fold == data.fold[row])
        others = rng.permutation(np.flatnonzero(same & (data.cluster != data.cluster[row])))[: N_WAY - 1]
        found[row, : len(others)] = others
    return found


def folds_of(data: Data) -> Iterator[tuple[Array, Array, Array]]:
    """Rows to train on, to choose by and to test."""
    for k in range(FOLDS):
        parts = (data.fold == k, data.fold == (k + 1) % FOLDS)
        yield np.flatnonzero(~parts[0] & ~parts[1]), np.flatnonzero(parts[1]), np.flatnonzero(parts[0])


def scaled(features: Array, train: Array) -> Array:
    """Standardised by the training pictures."""
    mean, std = features[train].mean(0), features[train].std(0)
    return (features - mean) / np.where(std > 0, std, 1)


def ridge(data: Data, train: Array, test: Array) -> Array:
    """Gabor ridge of every session, trained on all pictures that are not tested."""
    made = np.full((len(test), data.Y.shape[1]), np.nan)
    for session in range(len(SESSIONS)):
        own, units = train[data.session[train] == session], np.flatnonzero(data.unit_session == session)
        weight, bias = ridge_raw(data.pyramid[own].astype(np.float64), data.Y[np.ix_(own, units)])
        made[:, units] = data.pyramid[test] @ weight.T + bias
    return made


def mean_r(Y: Array, said: Array, fold: NDArray[np.intp]) -> float:
    """Mean over folds and units of the correlation over pictures."""
    found = [pearson(said[fold == k, unit], Y[fold == k, unit]) for k in np.unique(fold) for unit in range(Y.shape[1])]
    known = np.array(found)[np.isfinite(found)]
    return float(known.mean()) if len(known) else 0.0


def within(fold: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.intp]:
    """Pictures permuted within their fold."""
    order = np.arange(len(fold))
    for k in np.unique(fold):
        rows = np.flatnonzero(fold == k)
        order[rows] = rng.permutation(rows)
    return order


def edges(draws: Any) -> list[float]:
    """95 % interval."""
    return [float(edge) for edge in np.percentile(draws, (2.5, 97.5))]
