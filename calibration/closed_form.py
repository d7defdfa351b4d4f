"""Linear readouts solved, not trained: regularised LDA, logistic regression, ridge.

A network that can be fitted so has ``features(x)``, ``set_standardisation(mean, std)`` and ``set_weights(weight,
bias)`` (`models.linear`, `models.tone_power`); only its last layer is solved for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calibration.sections import TrainSection
from streamkit.errors import ConfigError, require

if TYPE_CHECKING:
    from torch import nn

Array = NDArray[np.floating]
Weights = tuple[Array, Array]
BATCH = 512
PENALTIES = tuple(10.0**k for k in np.arange(-1, 6, 0.5))


def fit(module: nn.Module, X: Array, y: NDArray[np.generic], n_outputs: int, settings: TrainSection) -> None:
    """Solve for the module's readout.

    Parameters
    ----------
    module
        With the three methods above.
    X
        ``(n, n_chans, n_times)``.
    y
        ``(n,)`` class numbers for ``"lda"`` and ``"logistic"``; ``(n, ...)`` numbers for ``"ridge"``.
    n_outputs
        Number of classes or values.

    Raises
    ------
    ConfigError
        When the module cannot be fitted in closed form, or a class has too few examples.
    """
    if not all(hasattr(module, name) for name in ("features", "set_standardisation", "set_weights")):
        raise ConfigError(
            f"train.method 'closed-form' fits linear readouts, and {type(module).__name__} is none: "
            "use model 'linear' or 'tone_power', or train.method = 'gradient'"
        )
    features = features_of(module, X)
    mean, std = features.mean(0), features.std(0)
    standard = (features - mean) / np.where(std > 0, std, 1.0)
    weight, bias = _solve(standard, y, n_outputs, settings)
    module.set_standardisation(mean, std)  # type: ignore[operator]
    module.set_weights(weight, bias)  # type: ignore[operator]


def features_of(module: nn.Module, X: Array) -> Array:
    """What the readout sees: ``(n, n_features)`` float64."""
    torch = require("torch", "train", "calibration")
    module.eval()
    with torch.no_grad():
        parts = [module.features(torch.from_numpy(X[at : at + BATCH])).numpy() for at in range(0, len(X), BATCH)]  # type: ignore[operator]
    return np.concatenate(parts).astype(np.float64)


def _solve(features: Array, y: NDArray[np.generic], n_outputs: int, settings: TrainSection) -> Weights:
    is_class = y.ndim == 1 and np.issubdtype(y.dtype, np.integer)
    estimator = settings.estimator or ("lda" if is_class else "ridge")
    if estimator == "ridge":
        return ridge(features, np.eye(n_outputs)[y] if is_class else y.reshape(len(y), -1), settings.alpha)
    if not is_class:
        raise ConfigError(f"train.estimator {estimator!r} tells classes apart; this target needs 'ridge'")
    counts = np.bincount(y, minlength=n_outputs)
    if counts.min() < 2:
        raise ConfigError(f"the classes have {counts.tolist()} training examples, each needs at least 2")
    return lda(features, y) if estimator == "lda" else logistic(features, y, settings.alpha)


def lda(features: Array, y: NDArray[np.integer]) -> Weights:
    """Linear discriminant analysis with Ledoit-Wolf shrinkage of the covariance, classes taken as equally frequent.

    Source: Blankertz et al. 2011, NeuroImage 56(2), "Single-trial analysis and classification of ERP components".

    Returns
    -------
    weight, bias
        ``(n_classes, n_features)`` and ``(n_classes,)`` of logits.
    """
    discriminant = require("sklearn.discriminant_analysis", "train", "LDA").LinearDiscriminantAnalysis
    n_classes = int(y.max()) + 1
    fitted = discriminant(solver="lsqr", shrinkage="auto", priors=np.full(n_classes, 1 / n_classes)).fit(features, y)
    return _logits(fitted.coef_, fitted.intercept_)


def logistic(features: Array, y: NDArray[np.integer], alpha: float) -> Weights:
    """Logistic regression with penalty `alpha` on the weights and classes weighted as equally frequent."""
    model = require("sklearn.linear_model", "train", "logistic regression").LogisticRegression
    fitted = model(C=1 / alpha, class_weight="balanced", max_iter=2000).fit(features, y)
    return _logits(fitted.coef_, fitted.intercept_)


def _logits(coef: Array, intercept: Array) -> Weights:
    """One row per class: two classes share one discriminant, half for and half against."""
    if len(coef) > 1:
        return coef, intercept
    return np.concatenate([-coef, coef]) / 2, np.concatenate([-intercept, intercept]) / 2


def ridge(features: Array, y: Array, alpha: float) -> Weights:
    """Ridge regression on standardised features: ``(n_outputs, n_features)`` and ``(n_outputs,)``."""
    model = require("sklearn.linear_model", "train", "ridge regression").Ridge
    fitted = model(alpha=alpha).fit(features, y)
    n_outputs = y.shape[1]
    return fitted.coef_.reshape(n_outputs, -1), np.full(n_outputs, fitted.intercept_)


def ridge_raw(features: Array, y: Array) -> Weights:
    """Ridge regression for features as they are; the penalty is picked by leave-one-out error on standardised ones."""
    model = require("sklearn.linear_model", "train", "ridge regression").RidgeCV
    mean, std = features.mean(0), features.std(0)
    std = np.where(std > 0, std, 1.0)
    fitted = model(alphas=PENALTIES).fit((features - mean) / std, y)
    weight = fitted.coef_.reshape(y.shape[1], -1) / std
    return weight, fitted.intercept_ - weight @ mean
