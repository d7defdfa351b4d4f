"""Whether decoding needs what encoding predicts: channel by channel, and window by window.

A channel or window that is set to 0 costs decoding something; how well the decoder predicts it is another thing. The
paper correlates the two over channels and over time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.brainae.fit import Fitted
from calibration.brainae.pairs import Pairs
from calibration.brainae.scores import similarity, top_k
from calibration.metrics import Draws, Score, pearson
from calibration.tables.items import mean

Array = NDArray[np.floating]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Parts:
    """What each part of the response is worth, image by image.

    Attributes
    ----------
    accuracy
        ``(n_parts, n)``: fall of top-1 when the part is set to 0.
    margin
        The same for the cosine to the right image less the mean cosine to the others: finer, for one channel of many
        seldom decides a ranking.
    encoding
        Correlation of the predicted with the recorded part; NaN where one is constant.
    """

    accuracy: Array
    margin: Array
    encoding: Array


def worth(fitted: Fitted, test: Pairs, masks: Sequence[Mask]) -> Parts:
    """Set each part to 0 in turn.

    Parameters
    ----------
    test
        One row per image.
    masks
        ``(n_chans, n_times)`` each, or what broadcasts to it: True for the part.
    """
    candidates, predicted = fitted.project(test.features), fitted.predict(test.features)
    whole = _decoding(fitted.embed(test.X), candidates)
    falls, r = [], []
    for mask in masks:
        left = _decoding(fitted.embed(np.where(mask, np.float32(0), test.X)), candidates)
        falls.append(whole - left)
        part = np.broadcast_to(mask, test.X.shape[1:])
        r.append([pearson(a, b) for a, b in zip(predicted[:, part], test.X[:, part], strict=True)])
    accuracy, margin = np.stack(falls, axis=1)
    return Parts(accuracy, margin, np.array(r))


def _decoding(z: Array, candidates: Array) -> Array:
    """Top-1 and margin of each response, ``(2, n)``."""
    found, n = similarity(z, candidates), len(z)
    (hit,) = top_k(found, np.arange(n), Draws(0, 0), "", (1,))
    own = np.diag(found)
    return np.stack([hit.each, own - (found.sum(1) - own) / (n - 1)])


def consistency(name: str, fall: Array, encoding: Array, draws: Draws) -> Score:
    """Correlation over parts of what a part's absence costs with how well it is predicted.

    Parameters
    ----------
    fall, encoding
        ``(n_parts, n)``, averaged over trainings where there are several.

    Returns
    -------
    Score
        Its interval draws images, its p value permutes parts and takes them for exchangeable: neighbours are alike, so
        it is somewhat too small.
    """
    n_parts, n = fall.shape
    rng = np.random.default_rng(draws.seed)
    costs, r = fall.mean(1), _over_images(encoding)
    value = pearson(costs, r)
    boot = []
    for _ in range(draws.bootstrap):
        rows = rng.integers(n, size=n)
        boot.append(pearson(fall[:, rows].mean(1), _over_images(encoding[:, rows])))
    null = np.array([pearson(costs, rng.permutation(r)) for _ in range(draws.permutations)])
    finite = np.array([one for one in boot if np.isfinite(one)])
    low, high = np.percentile(finite, (2.5, 97.5)) if len(finite) else (value, value)
    p = (1 + np.sum(null >= value - 1e-12)) / (1 + len(null)) if np.isfinite(value) else float("nan")
    note = f"over {n_parts} parts; interval: bootstrap over images; p: {len(null)} permutations of parts"
    return Score(name, value, 0.0, (float(low), float(high)), float(p), n, note, np.array(boot))


def _over_images(each: Array) -> Array:
    return np.array([mean(part) for part in each])
