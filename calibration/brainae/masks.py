"""Signals with entries taken out and put back: masked reconstruction.

Entries are taken out by setting them to 0, and put back by decoding the embedding of what is left.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from calibration.brainae.fit import Fitted
from calibration.brainae.pairs import Pairs
from calibration.brainae.scores import diagonal, encoding, retrieve
from calibration.metrics import Draws
from calibration.tables.items import Items
from streamkit.errors import BadInput

Array = NDArray[np.floating]
Mask = NDArray[np.bool_]
Kind = Literal["random", "temporal", "spatial", "forecast"]
KINDS: tuple[Kind, ...] = get_args(Kind)
RATIOS = (0.25, 0.5, 0.75)
PATCH = 25
"""Samples of a patch, as published: a tenth of an EEG window."""


def missing(kind: Kind, shape: tuple[int, int, int], ratio: float, patch: int = PATCH, seed: int = 0) -> Mask:
    """Draw which entries are missing: ``(n, n_chans, n_times)``, True where missing.

    What is missing at one ratio is also missing at any larger one of the same seed.

    Parameters
    ----------
    kind
        ``"random"`` takes patches out of single channels, ``"temporal"`` out of all channels at once, ``"spatial"``
        takes out whole channels, ``"forecast"`` the end of the window. The first three are drawn for each response.
    ratio
        Share of the patches or channels, rounded, at least one and never all.
    patch
        Samples of a patch; the last of a window may be shorter.

    Raises
    ------
    BadInput
        When the window holds fewer than two patches or the ratio is none.
    """
    n, n_chans, n_times = shape
    if not 0 < ratio < 1:
        raise BadInput(f"ratio = {ratio}: it is the share of entries taken out, between 0 and 1")
    if kind != "spatial" and n_times < 2 * patch:
        raise BadInput(f"a window of {n_times} samples holds fewer than two patches of {patch}: take smaller patches")
    rng = np.random.default_rng(seed)
    belongs = np.arange(n_times) // patch
    n_patches = int(belongs[-1]) + 1
    if kind == "random":
        return _drawn(n, n_chans * n_patches, ratio, rng).reshape(n, n_chans, n_patches)[:, :, belongs]
    if kind == "temporal":
        return np.repeat(_drawn(n, n_patches, ratio, rng)[:, None, belongs], n_chans, axis=1)
    if kind == "spatial":
        return np.repeat(_drawn(n, n_chans, ratio, rng)[:, :, None], n_times, axis=2)
    return np.broadcast_to(belongs >= n_patches - _count(n_patches, ratio), shape).copy()


def _drawn(n: int, cells: int, ratio: float, rng: np.random.Generator) -> Mask:
    """``(n, cells)`` with the same number of cells True in each row."""
    rank = rng.random((n, cells)).argsort(1).argsort(1)
    return rank < _count(cells, ratio)


def _count(cells: int, ratio: float) -> int:
    return int(np.clip(round(ratio * cells), 1, max(1, cells - 1)))


def reconstruct(fitted: Fitted, X: Array, gone: Mask) -> Array:
    """Decoded embedding of `X` with the missing entries set to 0; all of the window, ``(n, n_chans, n_times)``."""
    return fitted.decode(fitted.embed(np.where(gone, np.float32(0), X)))


def score_reconstruction(fitted: Fitted, test: Pairs, gone: Mask, draws: Draws) -> list[Items]:
    """How well missing entries are put back, and whether the reconstruction still says what was shown.

    Returns
    -------
    list
        Correlation and squared error over the missing entries of each response (chance: entries of other responses
        in their place), top-1 of the embedding of the reconstruction, top-1 of the masked signal itself, and the
        correlation over the whole window, which compares the same entries whatever is missing.
    """
    rebuilt = reconstruct(fitted, test.X, gone)
    left = np.where(gone, np.float32(0), test.X)
    r, error = _at_missing(rebuilt, test.X, gone)
    again = retrieve(fitted, fitted.embed(rebuilt), test, draws, "reconstruction", (1,))
    masked = retrieve(fitted, fitted.embed(left), test, draws, "as masked", (1,))
    missed = [diagonal("missing r", r, draws), diagonal("missing MSE", error, draws, lower=True)]
    return [*missed, *again, *masked, replace(encoding(rebuilt, test.X, draws)[0], name="whole r")]


def _at_missing(rebuilt: Array, X: Array, gone: Mask) -> tuple[Array, Array]:
    """Correlation and squared error of each reconstruction with each response, where it misses entries: ``(n, n)``."""
    r, error = np.empty((2, len(X), len(X)))
    for k, entries in enumerate(gone):
        a, others = np.asarray(rebuilt[k][entries], np.float64), np.asarray(X[:, entries], np.float64)
        error[k] = ((others - a) ** 2).mean(1)
        centred = others - others.mean(1, keepdims=True)
        norm = np.linalg.norm(centred, axis=1) * np.linalg.norm(a - a.mean())
        r[k] = np.divide(centred @ (a - a.mean()), norm, out=np.full(len(X), np.nan), where=norm > 1e-9)
    return r, error
