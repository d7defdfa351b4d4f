"""What a decoder could reach at best in a simulated world: the expected counts of every test picture are known.

The oracle works out how likely each picture of the test is, given the counts of all presentations of one of them, and
shows the mean of all pictures weighted by that: no picture has a smaller squared error on average, were the test all
there is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calibration.mouse_v1.material import Responses
from streamkit.errors import BadInput

Array = NDArray[np.floating]
GAINS = 15
"""Gains at which the average over them is taken (Gauss and Hermite)."""


def posterior(presented: Responses, expected: Array, gain_sd: float) -> Array:
    """``(m, m)`` how likely each picture is (columns), given the presentations of each picture (rows).

    Parameters
    ----------
    presented
        Single presentations, as counted.
    expected
        ``(m, n_neurons)`` counts of each picture at a gain of 1, in the order of ``presented.images``.
    gain_sd
        Deviation of the gain that all units share in a presentation.
    """
    from calibration.spikes2video.oracle import lognormal_nodes

    if expected.shape != (len(presented.images), presented.n_neurons) or presented.repeats.max() > 1:
        raise BadInput(
            f"expected counts {expected.shape} were given for {len(presented.images)} pictures and "
            f"{presented.n_neurons} units, each presentation by itself"
        )
    gains, weights = lognormal_nodes(gain_sd)
    fits = presented.X.astype(np.float64) @ np.log(expected).T  # (n, m)
    total = presented.X.sum(1, dtype=np.float64)[:, None, None] * np.log(gains)
    total = fits[..., None] + total - expected.sum(1)[None, :, None] * gains + np.log(weights)
    most = total.max(2, keepdims=True)
    single = most[..., 0] + np.log(np.exp(total - most).sum(2))
    whole = np.zeros((len(expected), len(expected)))
    np.add.at(whole, presented.shown, single)
    likely = np.exp(whole - whole.max(1, keepdims=True))
    return likely / likely.sum(1, keepdims=True)


def best_images(presented: Responses, expected: Array, gain_sd: float) -> NDArray[np.float32]:
    """``(m, 1, height, width)`` mean of all pictures weighted by how likely they are, for each picture."""
    likely = posterior(presented, expected, gain_sd).astype(np.float32)
    flat = presented.images.reshape(len(presented.images), -1)
    return (likely @ flat).reshape(presented.images.shape)
