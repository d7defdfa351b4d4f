"""Points in many dimensions laid out in two, and whether neighbours there are of one kind.

PCA keeps large distances and t-SNE neighbourhoods, so what is scored is neighbourhoods in both.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from calibration.metrics import Draws
from calibration.tables.items import Items
from streamkit.errors import BadInput, require

Array = NDArray[np.floating]
Layout = Literal["PCA", "t-SNE"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
PERPLEXITY, ITERATIONS, SEED = 30.0, 1000, 42
"""Of the t-SNE, as in the authors' code."""
NEIGHBOURS = 10


def lay_out(points: Array, layout: Layout, perplexity: float = PERPLEXITY, seed: int = SEED) -> Array:
    """``(n, d)`` to ``(n, 2)``.

    Parameters
    ----------
    perplexity
        Of the t-SNE; with fewer than three times as many points, a third of their number.

    Raises
    ------
    BadInput
        With fewer than four points.
    """
    if len(points) < 4:
        raise BadInput(f"{len(points)} points cannot be laid out: give four or more")
    if layout == "PCA":
        decomposition = require("sklearn.decomposition", "train", "PCA")
        return np.asarray(decomposition.PCA(2, random_state=seed).fit_transform(points))
    manifold = require("sklearn.manifold", "train", "t-SNE")
    perplexity = min(perplexity, (len(points) - 1) / 3)
    made = manifold.TSNE(2, perplexity=perplexity, max_iter=ITERATIONS, random_state=seed, init="pca", n_jobs=1)
    return np.asarray(made.fit_transform(np.asarray(points, np.float32)))


def neighbours_of(laid: Array, count: int = NEIGHBOURS) -> NDArray[np.intp]:
    """``(n, count)`` the nearest other points of each."""
    nearest = require("sklearn.neighbors", "train", "neighbours")
    count = min(count, len(laid) - 1)
    found = nearest.NearestNeighbors(n_neighbors=count).fit(laid).kneighbors(return_distance=False)
    return np.asarray(found, np.intp)


def same_kind(name: str, laid: Array, kind: NDArray, draws: Draws) -> Items:
    """Share of each point's neighbours that are of its kind; the null permutes kinds."""
    near, codes = neighbours_of(laid), np.unique(kind, return_inverse=True)[1]
    rng = np.random.default_rng(draws.seed)

    def share(codes: NDArray[np.intp]) -> Array:
        return (codes[near] == codes[:, None]).mean(1)

    null = np.array([share(rng.permutation(codes)).mean() for _ in range(draws.permutations)])
    sizes = np.bincount(codes)
    chance = float((sizes * (sizes - 1)).sum() / (len(codes) * (len(codes) - 1)))
    note = f"{near.shape[1]} neighbours of {len(codes)} points, {len(sizes)} kinds"
    return Items(name, share(codes), chance, null, note=note, unit="points", permuted="kinds")


def like_neighbours(name: str, laid: Array, value: Array, draws: Draws) -> Items:
    """Product of each point's standardised value with that of its neighbours' mean: its mean is their correlation."""
    near, value = neighbours_of(laid), np.asarray(value, np.float64)
    rng = np.random.default_rng(draws.seed)

    def products(value: Array) -> Array:
        sides = (value, value[near].mean(1))
        a, b = ((side - side.mean()) / (side.std() or np.nan) for side in sides)
        return np.asarray(a * b)

    null = np.array([products(rng.permutation(value)).mean() for _ in range(draws.permutations)])
    note = f"correlation of a point's value with the mean of its {near.shape[1]} neighbours; {len(value)} points"
    return Items(
        name,
        products(value),
        float(null.mean()) if len(null) else 0.0,
        null,
        note=note,
        unit="points",
        permuted="values",
    )
