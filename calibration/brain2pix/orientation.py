"""Which way round the places of voxels are, asked of the data before anything is trained.

The released code puts voxels with their columns along the first axis of an image, where frames have their rows. Whether
that is right depends on the table. Here each voxel's time course, mean over its lags, is correlated with the brightness
of the pixel that it would look at under each of the eight ways to lay a square onto itself: the right one is the one
under which voxels follow their pixels.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from calibration.brain2pix.material import Movie
from calibration.brain2pix.nishimoto import responses
from calibration.brain2pix.retina import pixels_of
from calibration.metrics import column_correlations
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


def turned(movie: Movie, turn: str) -> Movie:
    """The film with all places laid another way."""
    return replace(movie, centre=movie.centre @ np.array(TURNS[turn], float).T)


def followed(movie: Movie, turn: str = AS_TOLD) -> Array:
    """``(n_voxels,)`` correlation of every voxel with the brightness where it looks, laid that way; NaN for none."""
    pixel, values = pixels_of(turned(movie, turn)), responses(movie)
    grey = movie.grey()[movie.frame].reshape(len(movie), -1)
    return np.where(pixel == NOWHERE, np.nan, column_correlations(values, grey[:, np.maximum(pixel, 0)]))


def best_turn(movie: Movie) -> str:
    """The way under which voxels follow their pixels most, mean over voxels."""
    return max(TURNS, key=lambda turn: float(np.nanmean(followed(movie, turn))))
