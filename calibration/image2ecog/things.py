"""Things that images show: what a split between images deals, and so what is permuted and drawn with replacement.

Views of one thing are alike, in the response and in the prediction. Permuting images would tear them apart: a null far
too narrow, in which what knows nothing of the images is significant far too often.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice, permutations, product
from math import factorial, prod

import numpy as np
from numpy.typing import NDArray

from calibration.image2ecog.material import Material
from calibration.image2ecog.settings import Image2EcogSettings
from calibration.metrics import Draws
from calibration.tables.items import Items

Array = NDArray[np.floating]
Indices = NDArray[np.integer]


def things_of(material: Material, settings: Image2EcogSettings, shown: Indices) -> Indices:
    """Which thing each of the images `shown` counts as, ``(m,)``: of a split between trials, every image is its own."""
    return np.asarray(material.thing)[shown] if settings.split == "image" else shown


def name_of(thing: Indices) -> str:
    """What is permuted and drawn: ``"things"``, or ``"images"`` where each is its own thing."""
    return "things" if len(np.unique(thing)) < len(thing) else "images"


def orders(thing: Indices, draws: Draws) -> Indices:
    """Permutations of images that move whole things, with their views in order: ``(n_permutations, m)``.

    Things trade places with things of as many views; one that no other has as many views as stays where it is. That is
    exact where things of as many views are exchangeable. Where no more than ``draws.permutations`` permutations move
    anything, each of them is there once, in an order that is drawn, so p is at least one over the number of distinct
    permutations; where none does, all of them leave everything in place, and p is 1.

    Parameters
    ----------
    thing
        ``(m,)`` which thing each image shows.
    """
    rng = np.random.default_rng(draws.seed)
    views = [np.flatnonzero(thing == each) for each in np.unique(thing)]
    n_views = np.array([len(each) for each in views])
    alike = [np.flatnonzero(n_views == n) for n in np.unique(n_views)]
    n_moving = prod(factorial(len(each)) for each in alike) - 1
    if 0 < n_moving <= draws.permutations:
        every = product(*(list(permutations(each)) for each in alike))
        moved = [np.concatenate(each) for each in islice(every, 1, None)]  # the first leaves all in place
        moved = [moved[k] for k in rng.permutation(n_moving)]
    else:
        moved = [np.concatenate([rng.permutation(each) for each in alike]) for _ in range(draws.permutations)]
    found = np.empty((len(moved), len(thing)), np.intp)
    if len(thing):
        at = np.concatenate([views[k] for each in alike for k in each])
        for order, places in zip(found, moved, strict=True):
            order[at] = np.concatenate([views[k] for k in places])
    return found


def alongside(nulls: Sequence[Array]) -> list[Array]:
    """Nulls ``(n_permutations, ...)`` of several subjects or folds, cut to the shortest: row by row one permutation."""
    n = min(len(each) for each in nulls)
    return [each[:n] for each in nulls]


def own_of(name: str, table: Array, thing: Indices, draws: Draws, lower: bool = False, note: str = "") -> Items:
    """Diagonal of a table ``(m, m)`` of responses to images by predictions for them; the null permutes whole things."""
    at = np.arange(len(thing))
    null = np.array([table[at, order].mean() for order in orders(thing, draws)])
    own = np.diag(table).copy()
    return Items(name, own, of_others(table, thing), null, lower, note, name_of(thing), group=thing)


def of_others(table: Array, thing: Indices) -> float:
    """Mean over rows of a table ``(m, m)`` of the mean over images of other things; NaN where there are none."""
    others = thing[:, None] != thing
    count = others.sum(1)
    return float(np.mean((table * others).sum(1) / count)) if count.all() else float("nan")


def beside(thing: Indices) -> str:
    """What a note says of `of_others`."""
    return f"chance: predictions for other {name_of(thing)}"
