"""What stands beside a decoder's score: canonical correlation, the mean image, a ridge decoder."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from calibration.closed_form import ridge_raw
from streamkit.errors import ConfigError

Array = NDArray[np.floating]


def cca_classes(X: Array, frequencies: Sequence[float], sfreq: float, harmonics: int = 2) -> NDArray[np.intp]:
    """Which of `frequencies` each window follows: the one whose sines and cosines correlate best with its channels.

    Untrained. Source: Lin et al. 2006, IEEE Trans. Biomed. Eng. 53(12), "Frequency recognition based on canonical
    correlation analysis for SSVEP-based BCIs".

    Parameters
    ----------
    X
        ``(n, n_chans, n_times)``.
    """
    bases = [_orthonormal(_sines(f, X.shape[2], sfreq, harmonics)) for f in frequencies]
    windows = (_orthonormal(x.T.astype(np.float64)) for x in X)
    best = [[np.linalg.norm(basis.T @ window, 2) for basis in bases] for window in windows]
    return np.argmax(np.array(best), axis=1)


def _sines(frequency: float, n_times: int, sfreq: float, harmonics: int) -> Array:
    phase = 2 * np.pi * frequency * np.outer(np.arange(n_times) / sfreq, np.arange(1, harmonics + 1))
    return np.concatenate([np.sin(phase), np.cos(phase)], axis=1)


def _orthonormal(columns: Array) -> Array:
    return np.linalg.qr(columns - columns.mean(0))[0]


def cca_order(labels: Sequence[str], cca: dict[str, float]) -> list[float]:
    """Frequencies in the order of the classes.

    Raises
    ------
    ConfigError
        When the recipe names other classes than it decodes.
    """
    if set(labels) != set(cca):
        raise ConfigError(f"evaluate.cca names {', '.join(cca)}; the classes are {', '.join(labels)}")
    return [cca[label] for label in labels]


def ridge_images(X: Array, y: Array, unseen: Array) -> Array:
    """Images ``(n, C, H, W)`` that a ridge regression from standardised windows gives for `unseen` windows.

    The penalty is picked by leave-one-out error on the training windows.
    """
    weight, bias = ridge_raw(X.reshape(len(X), -1).astype(np.float64), y.reshape(len(y), -1))
    return (unseen.reshape(len(unseen), -1) @ weight.T + bias).reshape(-1, *y.shape[1:])


def mean_image(y: Array, n: int) -> Array:
    """Give the mean training image `n` times."""
    return np.repeat(y.mean(0, keepdims=True), n, axis=0)
