"""Frames found again, not painted: an encoding model says which frames of a library could have evoked a response.

After Nishimoto et al. 2011, as Brain2Pix holds itself against it: a ridge regression predicts every voxel from features
of a frame, for all frames of the training runs; those whose prediction is most like what was recorded are averaged. The
paper says ten by correlation, its authors' notes say three by Gaussian likelihood; both are here. They looked through
SqueezeNet; here it is any row of the table of features, by default one that needs no weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from calibration.brain2pix.material import Movie
from calibration.brain2pix.scaling import Values, scale_of, scaled
from calibration.closed_form import ridge
from calibration.features.extract import extract
from calibration.metrics import column_correlations, correlations
from calibration.sections import Section
from streamkit.errors import require

Array = NDArray[np.floating]
PENALTIES = tuple(10.0**k for k in range(1, 7))
AT_ONCE = 64


class NishimotoSettings(Section):
    """How frames are found.

    Parameters
    ----------
    features, weights
        Row of `calibration.features.FEATURES`, and its weight file where it needs one.
    score
        ``"corr"``, correlation over voxels; ``"loglik"``, the likelihood under Gaussian noise, whose covariance is
        that of what the encoding model leaves over on validation runs, shrunk after Ledoit and Wolf.
    k
        Best frames that are averaged.
    """

    features: str = "gabor_pyramid"
    weights: str = ""
    score: Literal["corr", "loglik"] = "corr"
    k: int = Field(10, ge=1)


@dataclass(frozen=True)
class Nishimoto:
    """A fitted encoding model and its library.

    Attributes
    ----------
    library
        uint8 ``(n_frames, 3, height, width)``.
    predicted
        ``(n_frames, n_voxels)`` what each of them should evoke.
    precision
        ``(n_voxels, n_voxels)`` inverse covariance of the noise; None where responses are correlated.
    penalty, validation_r
        The ridge penalty chosen, and the mean correlation of voxels on the validation runs it was chosen by.
    """

    settings: NishimotoSettings
    library: NDArray[np.uint8]
    predicted: Array
    precision: Array | None
    mean: Values
    std: Values
    penalty: float
    validation_r: float

    def likeness(self, movie: Movie) -> Array:
        """``(n, n_frames)`` how well each frame of the library explains each response."""
        found = responses(scaled(movie, self.mean, self.std))
        if self.precision is None:
            return correlations(found, self.predicted)
        left = found @ self.precision
        square = np.einsum("nv,nv->n", self.predicted @ self.precision, self.predicted)
        return left @ self.predicted.T - 0.5 * square  # a term that is the same for all frames is left out

    def predict(self, movie: Movie) -> NDArray[np.float32]:
        """The mean of the best frames for every window: ``(n, 3, height, width)`` in [0, 1], not through a fisheye."""
        best = np.argpartition(-self.likeness(movie), min(self.settings.k, len(self.library)) - 1, axis=1)
        rows = best[:, : self.settings.k]
        parts = [self.library[rows[at : at + AT_ONCE]].mean(1) / 255 for at in range(0, len(rows), AT_ONCE)]
        return np.concatenate(parts).astype(np.float32)


def fit_nishimoto(train: Movie, validation: Movie, settings: NishimotoSettings) -> Nishimoto:
    """Fit the encoding model on training runs; its penalty is chosen on validation runs."""
    mean, std = scale_of(train)
    answers, wanted = (responses(scaled(movie, mean, std)) for movie in (train, validation))
    X, X_validation = (features_of(movie, settings) for movie in (train, validation))
    centre, spread = X.mean(0), np.maximum(X.std(0), 1e-8)
    X, X_validation = (X - centre) / spread, (X_validation - centre) / spread
    fits = {penalty: ridge(X, answers, penalty) for penalty in PENALTIES}
    scores = {penalty: voxel_r(X_validation @ w.T + b, wanted) for penalty, (w, b) in fits.items()}
    penalty = max(scores, key=lambda each: scores[each])
    weight, bias = fits[penalty]
    left = wanted - (X_validation @ weight.T + bias)
    precision = precision_of(left) if settings.score == "loglik" else None
    predicted = X @ weight.T + bias
    return Nishimoto(
        settings, train.frames[train.frame], predicted, precision, mean, std, penalty, float(scores[penalty])
    )


def responses(movie: Movie) -> Array:
    """``(n, n_voxels)`` mean over the lags of each window."""
    total = np.zeros((len(movie), movie.voxels.shape[1]), np.float64)
    for lag in range(movie.n_lags):
        total += movie.voxels[movie.first + lag]
    return total / movie.n_lags


def features_of(movie: Movie, settings: NishimotoSettings) -> Array:
    """``(n, d)`` features of the frame of each window."""
    return extract(movie.shown(), settings.features, Path(settings.weights) if settings.weights else None)


def voxel_r(predicted: Array, wanted: Array) -> float:
    """Mean over voxels of the correlation over frames; a voxel that does not vary counts as 0."""
    return float(np.nan_to_num(column_correlations(predicted, wanted)).mean())


def precision_of(left: Array) -> Array:
    """Inverse of a shrunk covariance."""
    covariance = require("sklearn.covariance", "train", "the likelihood of frames")
    return np.asarray(covariance.LedoitWolf().fit(left).precision_, np.float64)
