"""Agreement of two symmetric matrices, such as dissimilarities of images or couplings of channels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from calibration.metrics import Draws, Score, pearson
from streamkit.errors import BadInput

Array = NDArray[np.floating]


def agreement(name: str, a: Array, b: Array, draws: Draws, ranks: bool = False) -> Score:
    """Correlation of what lies above the diagonals.

    The interval draws items (rows together with columns) with replacement and leaves out pairs of an item with
    itself; the p value permutes the items of `b` (Mantel's test).

    Parameters
    ----------
    a, b
        ``(n, n)``, symmetric.
    ranks
        Spearman's correlation rather than Pearson's. Draws use the ranks among all pairs.
    """
    if a.shape != b.shape or a.ndim != 2 or a.shape[0] != a.shape[1] or len(a) < 3:
        raise BadInput(f"agreement is that of two square matrices of 3 items or more; given {a.shape} and {b.shape}")
    upper = np.triu_indices(len(a), 1)
    a, b = (_ranked(side, upper) if ranks else np.asarray(side, np.float64) for side in (a, b))
    rng = np.random.default_rng(draws.seed)
    value = pearson(a[upper], b[upper])
    boot = []
    for _ in range(draws.bootstrap):
        items = rng.integers(len(a), size=len(a))
        rows, columns = items[upper[0]], items[upper[1]]
        apart = rows != columns
        boot.append(pearson(a[rows[apart], columns[apart]], b[rows[apart], columns[apart]]) if apart.any() else np.nan)
    null = []
    for _ in range(draws.permutations):
        order = rng.permutation(len(b))
        null.append(pearson(a[upper], b[order[upper[0]], order[upper[1]]]))
    note = f"{'Spearman' if ranks else 'Pearson'}; interval: bootstrap over items; p: {len(null)} permutations of items"
    return scored(name, value, 0.0, boot, null, len(a), note)


def scored(name: str, value: float, chance: float, boot: list[float], null: list[float], n: int, note: str) -> Score:
    """Make a score of a value, its bootstrap draws and its permutations."""
    draws, guesses = np.array(boot), np.array(null)
    finite = draws[np.isfinite(draws)]
    low, high = np.percentile(finite, (2.5, 97.5)) if len(finite) else (value, value)
    known = np.isfinite(value) and len(guesses)
    p = (1 + np.sum(guesses >= value - 1e-12)) / (1 + len(guesses)) if known else float("nan")
    return Score(name, value, chance, (float(low), float(high)), float(p), n, note, draws)


def _ranked(matrix: Array, upper: tuple[NDArray[np.intp], NDArray[np.intp]]) -> Array:
    ranked = np.zeros(matrix.shape)
    ranked[upper] = rankdata(matrix[upper])
    return ranked + ranked.T
