"""Which way round the places of voxels are, asked of the data before anything is trained.

The released code puts voxels with their columns along the first axis of an image, where frames have their rows. Whether
that is right depends on the table. Here each voxel's time course, mean over its lags, is correlated with the brightness
of the pixel that it would look at under each of the eight ways to lay a square onto itself: the right one is the one
under which voxels follow their pixels. All voxels watch one film, whose pixels grow bright and dark together, so a
voxel has something in common with any pixel; what that comes to is told by places that are drawn by lot.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from calibration.brain2pix.material import Movie, Rows
from calibration.brain2pix.nishimoto import responses
from calibration.brain2pix.retina import pixels_of, shuffled
from calibration.metrics import Draws, correlations
from calibration.tables.items import Items, mean
from models.brain2pix_readin import NOWHERE

Array = NDArray[np.floating]
TURNS = {
    "as the table says": ((1, 0), (0, 1)),
    "rows and columns exchanged": ((0, 1), (1, 0)),
    "left and right exchanged": ((-1, 0), (0, 1)),
    "upside down": ((1, 0), (0, -1)),
    "turned by 180°": ((-1, 0), (0, -1)),
    "turned by 90°": ((0, -1), (1, 0)),
    "turned by 270°": ((0, 1), (-1, 0)),
    "exchanged and turned by 180°": ((0, -1), (-1, 0)),
}
"""What x and y become, as rows of a matrix."""
AS_TOLD, EXCHANGED = list(TURNS)[:2]
FOLLOWS = "r with its pixel"
AT_ONCE = 1024
"""Pixels that voxels are correlated with together."""


def turned(movie: Movie, turn: str) -> Movie:
    """The film with all places laid another way."""
    return replace(movie, centre=movie.centre @ np.array(TURNS[turn], float).T)


def with_pixels(movie: Movie) -> Array:
    """``(n_voxels, n_pixels)`` correlation of every voxel with the brightness of every pixel; 0 for a constant one."""
    values = responses(movie).T
    grey = movie.grey()[movie.frame].reshape(len(movie), -1).T
    return np.hstack([correlations(values, grey[at : at + AT_ONCE]) for at in range(0, len(grey), AT_ONCE)])


def followed(table: Array, pixel: Rows) -> Array:
    """``(n_voxels,)`` what every voxel has in a table ``(n_voxels, n_pixels)`` at its pixel; NaN where it has none."""
    return np.where(pixel == NOWHERE, np.nan, table[np.arange(len(pixel)), np.maximum(pixel, 0)])


def following(table: Array, pixel: Rows, region: NDArray[np.str_], draws: Draws) -> Items:
    """How voxels follow the pixels where they look.

    Chance and the null deal the places of each region out among its voxels by lot.

    Parameters
    ----------
    table
        Of `with_pixels`.
    pixel, region
        ``(n_voxels,)`` where each looks, `NOWHERE` for one that is left out, and its region.
    """
    seen, rng = pixel != NOWHERE, np.random.default_rng(draws.seed)
    inside = table[seen]
    null = np.array(
        [followed(inside, shuffled(pixel[seen], region[seen], rng)).mean() for _ in range(draws.permutations)]
    )
    permuted = "places of voxels within their region, which chance is the mean of"
    return Items(FOLLOWS, followed(table, pixel), mean(null), null, False, "an item is a voxel", "voxels", permuted)


def best_turn(movie: Movie) -> str:
    """The way under which voxels follow their pixels most, mean over voxels."""
    table = with_pixels(movie)
    return max(TURNS, key=lambda turn: mean(followed(table, pixels_of(turned(movie, turn)))))
