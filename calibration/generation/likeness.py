"""How like two images are, and how like the images of pairs are beside those of pairs that do not belong together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.features.images import coloured
from calibration.features.resample import resize
from calibration.metrics import Draws, Score, means_of_drawn, pearson
from streamkit.errors import require

Array = NDArray[np.floating]
Compare = Callable[[Array, Array], float]
SIDE = 425
SIGMA = 1.5
OTHERS = 3
"""Images that do not belong to it, beside which each painted image is held to find the level of chance."""


@dataclass(frozen=True)
class Pairs:
    """Painted images or their features ``(n, ...)``, those shown ``(m, ...)``, and which is whose ``(n,)``."""

    made: Array
    shown: Array
    own: NDArray[np.integer]


def score_pairs(name: str, pairs: Pairs, compare: Compare, draws: Draws) -> Score:
    """Mean over images; chance is that of pairs with another image, and the interval resamples the images shown."""
    rng = np.random.default_rng(draws.seed)
    m = len(pairs.shown)
    _, place = np.unique(pairs.own, return_inverse=True)

    def by_image(step: int) -> Array:
        each = [compare(a, pairs.shown[(k + step) % m]) for a, k in zip(pairs.made, pairs.own, strict=True)]
        means: Array = np.bincount(place, each) / np.bincount(place)
        return means

    away = rng.choice(np.arange(1, m), min(OTHERS, m - 1), replace=False)
    own = by_image(0)
    boot = means_of_drawn(own, draws, rng)
    low, high = np.percentile(boot, (2.5, 97.5))
    chance = float(np.mean([by_image(int(step)) for step in away]))
    note = f"every image counted once; chance: the mean beside {len(away)} others each; interval: bootstrap over images"
    return Score(name, float(own.mean()), chance, (float(low), float(high)), float("nan"), len(place), note, boot)


def pixel_correlation(a: Array, b: Array) -> float:
    """Correlation of all pixels and channels of two images ``(3 or 1, H, W)`` at 425 x 425; 0 where one is constant."""
    found = pearson(_sized(a).ravel(), _sized(b).ravel())
    return found if np.isfinite(found) else 0.0


def similarity(a: Array, b: Array) -> float:
    """SSIM of two images in grey at 425 x 425: Gaussian window of sigma 1.5, K1 = .01, K2 = .03, range 1."""
    metrics = require("skimage.metrics", "images", "SSIM")
    grey = require("skimage.color", "images", "SSIM").rgb2gray
    first, second = (grey(_sized(each), channel_axis=0) for each in (a, b))
    settings = {"gaussian_weights": True, "sigma": SIGMA, "use_sample_covariance": False, "data_range": 1.0}
    return float(metrics.structural_similarity(first, second, **settings))


def correlation_distance(a: Array, b: Array) -> float:
    """One minus the correlation of two vectors; 1 where one is constant."""
    found = pearson(a.ravel(), b.ravel())
    return 1.0 - found if np.isfinite(found) else 1.0


def _sized(image: Array) -> Array:
    return coloured(resize(image[None].astype(np.float32), (SIDE, SIDE)))[0]
