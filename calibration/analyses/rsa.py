"""Representational similarity: which images are alike to whom.

Source: Kriegeskorte, Mur & Bandettini 2008, Front Syst Neurosci 2:4.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from calibration.analyses.agreement import scored
from calibration.metrics import Draws, Score, correlations
from streamkit.errors import BadInput

Array = NDArray[np.floating]


def dissimilarity(items: Array) -> Array:
    """One minus the correlation of every two items: ``(n, …)`` to ``(n, n)``, 0 on the diagonal."""
    found = 1 - correlations(items, items)
    np.fill_diagonal(found, 0.0)
    return (found + found.T) / 2


def contrast(name: str, dissimilar: Array, categories: Sequence[str], draws: Draws) -> Score:
    """Mean dissimilarity between categories less that within them; 0 is chance.

    The interval draws items with replacement, the p value permutes their categories.

    Parameters
    ----------
    dissimilar
        ``(n, n)``.
    categories
        Of the `n` items.

    Raises
    ------
    BadInput
        When there are not at least two categories, one of them with two items.
    """
    codes = np.unique(np.asarray(categories), return_inverse=True)[1]
    sizes = np.bincount(codes)
    if len(sizes) < 2 or sizes.max() < 2:
        raise BadInput(f"a contrast needs two categories, one of them of two items; given {sizes.tolist()} items")
    upper = np.triu_indices(len(codes), 1)
    rng = np.random.default_rng(draws.seed)
    boot = []
    for _ in range(draws.bootstrap):
        drawn = rng.integers(len(codes), size=len(codes))
        boot.append(_between_less_within(dissimilar, codes, drawn[upper[0]], drawn[upper[1]]))
    null = [_between_less_within(dissimilar, rng.permutation(codes), *upper) for _ in range(draws.permutations)]
    value = _between_less_within(dissimilar, codes, *upper)
    note = f"{len(sizes)} categories; interval: bootstrap over items; p: {len(null)} permutations of categories"
    return scored(name, value, 0.0, boot, null, len(codes), note)


def _between_less_within(
    dissimilar: Array, codes: NDArray[np.intp], rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> float:
    apart = rows != columns
    rows, columns = rows[apart], columns[apart]
    same, pairs = codes[rows] == codes[columns], dissimilar[rows, columns]
    if same.all() or not same.any():
        return float("nan")
    return float(pairs[~same].mean() - pairs[same].mean())
