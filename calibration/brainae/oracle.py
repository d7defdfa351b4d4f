"""What retrieval could reach at best in a simulated world: the noise-free responses are known to the oracle.

It compares the recorded response to each image with the noise-free response to every candidate, both preprocessed
alike, by the squared distance in units of the noise: the covariance of what is left of the training responses once
their noise-free part is taken away, shrunk as Ledoit and Wolf (2004) do. For Gaussian noise that is the best there is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calibration.brainae.pairs import Pairs
from calibration.tables.items import Items
from streamkit.errors import require

Array = NDArray[np.floating]


def retrieval_ceiling(recorded: Pairs, clean: Pairs, train: Pairs, train_clean: Pairs) -> list[Items]:
    """Top-1 and top-5 of the oracle, image by image.

    Parameters
    ----------
    recorded
        Single trials of the test; they are averaged over repeats.
    clean
        Noise-free responses to the same images.
    train, train_clean
        Responses to the training images, recorded and noise-free, one per image. What is noise-free must have gone
        through the preprocessing fitted to what was recorded (`calibration.brainae.material.fitted_to`): a whitening
        of its own would give it another scale.
    """
    shown, candidates = recorded.by_image(), clean.by_image()
    whiten = _whitening(train.X - _in_order(train, train_clean))
    a, b = (each.reshape(len(each), -1) @ whiten for each in (shown.X, _in_order(shown, candidates)))
    distance = (a**2).sum(1)[:, None] - 2 * a @ b.T + (b**2).sum(1)[None]
    return [
        Items(f"retrieval top-{k}", _within(distance, k), min(1.0, k / len(b)), np.empty(0), note=NOTE) for k in (1, 5)
    ]


def _within(distance: Array, k: int) -> Array:
    """How likely the right candidate is among the `k` nearest, for each row; ties are broken by lot."""
    own, tolerance = np.diag(distance)[:, None], 1e-9 * np.abs(distance).max()
    nearer = (distance < own - tolerance).sum(1)
    alike = (np.abs(distance - own) <= tolerance).sum(1)
    return np.clip((k - nearer) / alike, 0.0, 1.0)


NOTE = "oracle: knows the noise-free response to every candidate and the covariance of the noise"


def _in_order(wanted: Pairs, clean: Pairs) -> Array:
    """Noise-free responses to the images of `wanted`, row by row."""
    at = {image: row for row, image in enumerate(clean.image.tolist())}
    return clean.X[[at[image] for image in wanted.image.tolist()]]


def _whitening(noise: Array) -> Array:
    """Inverse square root of the covariance of ``(n, n_chans, n_times)``, ``(n_values, n_values)``."""
    covariance = require("sklearn.covariance", "train", "the oracle")
    flat = noise.reshape(len(noise), -1).astype(np.float64)
    shrunk, _ = covariance.ledoit_wolf(flat - flat.mean(0), assume_centered=True)
    values, vectors = np.linalg.eigh(shrunk)
    return np.asarray((vectors / np.sqrt(np.maximum(values, 1e-12 * values.max()))) @ vectors.T)
