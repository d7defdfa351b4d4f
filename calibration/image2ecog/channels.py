"""Channels: which are bad, which carry a signal, and how they are standardised; all judged on training trials."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.image2ecog.settings import Image2EcogSettings
from streamkit.errors import BadInput

Array = NDArray[np.floating]
Mask = NDArray[np.bool_]
Indices = NDArray[np.integer]


@dataclass(frozen=True)
class Standard:
    """What was fitted to the training trials' channels.

    Attributes
    ----------
    kept
        Numbers of the channels that are predicted.
    mean, std
        ``(n_kept, 1)`` of each over training trials and time.
    """

    kept: NDArray[np.intp]
    mean: Array
    std: Array

    def apply(self, Y: Array) -> NDArray[np.float32]:
        """``(n, n_chans, n_times)`` to standard deviations of the channels kept, ``(n, n_kept, n_times)``."""
        return np.ascontiguousarray((Y[:, self.kept] - self.mean) / self.std, np.float32)


def fit_standard(Y: Array, image: Indices, settings: Image2EcogSettings) -> Standard:
    """Choose channels and learn their scale.

    Parameters
    ----------
    Y, image
        The training trials, ``(n, n_chans, n_times)`` and ``(n,)``.

    Raises
    ------
    BadInput
        When no channel is left.
    """
    flat = np.ptp(Y, axis=(0, 2)) < 1e-12
    kept = np.flatnonzero(~bad_channels(Y, settings.bad_sd) & ~flat)
    if not len(kept):
        raise BadInput(f"none of {Y.shape[1]} channels is left: raise bad_sd, which is {settings.bad_sd:g}")
    if settings.channels is not None:
        best = np.argsort(-snr(Y[:, kept], image), kind="stable")[: settings.channels]
        kept = np.sort(kept[best])
    mean = Y[:, kept].mean((0, 2), dtype=np.float64)[:, None]
    std = Y[:, kept].std((0, 2), dtype=np.float64)[:, None]
    return Standard(kept, mean, std)


def bad_channels(Y: Array, n_sd: float = 3.0) -> Mask:
    """Channels whose variance over trials and time is more than `n_sd` deviations from the mean channel's.

    Of n channels one alone cannot be further than ``(n - 1) / sqrt(n)`` deviations from the mean of all: with ten or
    fewer the published rule, three, never leaves one out.
    """
    variance = Y.var((0, 2), dtype=np.float64)
    return np.abs(variance - variance.mean()) > n_sd * variance.std()


def snr(Y: Array, image: Indices) -> Array:
    """Signal to noise of each channel, ``(n_chans,)``: variance of what an image evokes, over that of its trials.

    Averaged over time. The first is the variance over images of their mean trial, less what the noise adds to it, so a
    channel without signal has about 0, and may be below.

    Raises
    ------
    BadInput
        When no image was shown twice, so that there is nothing to tell noise by.
    """
    rows = [np.flatnonzero(image == number) for number in np.unique(image)]
    repeated = [each for each in rows if len(each) > 1]
    if len(repeated) < 2:
        raise BadInput("signal to noise needs two images that were shown more than once")
    means = np.stack([Y[each].mean(0, dtype=np.float64) for each in repeated])
    noise = np.mean([Y[each].var(0, ddof=1, dtype=np.float64) for each in repeated], axis=0)
    left = noise * np.mean([1 / len(each) for each in repeated])
    signal = (means.var(0, ddof=1) - left).mean(1)
    return np.asarray(signal / np.maximum(noise.mean(1), 1e-30))
