"""Low and high spatial frequencies of images, low and high frequencies of signals, and every pair of the two.

The paper gives no edges. Images are split by a Gaussian of 4 pixels at 224 and what it leaves out, signals at 30 Hz by
Butterworth filters of the fourth order run forwards and backwards: for analysis alone, as they look ahead.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.signal import butter, sosfiltfilt

from calibration.image2ecog.material import Material
from streamkit.errors import ConfigError

Array = NDArray[np.floating]
Band = Literal["low", "high"]
BANDS: tuple[Band, ...] = get_args(Band)
SIGMA_AT_224 = 4.0
EDGE_HZ = 30.0
ORDER = 4
MID = 0.5


def filtered_images(images: Array, band: Band, sigma_at_224: float = SIGMA_AT_224) -> NDArray[np.float32]:
    """Images ``(m, C, size, size)`` with what is coarser or finer than a Gaussian; the finer part lies around mid-grey.

    The two less one half add up to the image, except where the finer part leaves [0, 1] and is clipped.
    """
    sigma = sigma_at_224 * images.shape[-1] / 224
    coarse = gaussian_filter(images, (0, 0, sigma, sigma), mode="nearest")
    made = coarse if band == "low" else np.clip(images - coarse + MID, 0, 1)
    return np.ascontiguousarray(made, np.float32)


def filtered_signals(Y: Array, band: Band, sfreq: float, edge: float = EDGE_HZ) -> NDArray[np.float32]:
    """Trials ``(n, n_chans, n_times)`` below or above `edge`, without a shift in time.

    Raises
    ------
    ConfigError
        When the edge is not below half the rate, or the epoch is too short for the filter.
    """
    if not 0 < edge < sfreq / 2:
        raise ConfigError(
            f"the signals are cut at {edge:g} Hz, which must lie below half their rate, {sfreq / 2:g} Hz: lower the "
            "edge, or keep a higher rate"
        )
    sos = butter(ORDER, edge, "lowpass" if band == "low" else "highpass", fs=sfreq, output="sos")
    longest = 3 * (2 * len(sos) + 1)
    if Y.shape[2] <= longest:
        raise ConfigError(f"epochs of {Y.shape[2]} samples are too short to filter; {longest + 1} are needed")
    return np.ascontiguousarray(sosfiltfilt(sos, np.asarray(Y, np.float64), axis=2), np.float32)


def cell(material: Material, of_images: Band, of_signals: Band, edge: float = EDGE_HZ) -> Material:
    """One of the four pairs."""
    return replace(
        material,
        images=filtered_images(material.images, of_images),
        Y=filtered_signals(material.Y, of_signals, material.sfreq, edge),
    )
