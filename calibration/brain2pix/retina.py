"""Where voxels look on the frames as they are learnt: the fisheye, pixels, a control of lots, what lies there."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from calibration.brain2pix.material import Movie, Rows
from models.brain2pix_readin import NOWHERE
from models.fisheye import resampled, to_warped
from streamkit.errors import BadInput

Axes = Literal["row-column", "column-row"]
AT_ONCE = 512
"""Frames that are warped together."""


def through_fisheye(movie: Movie) -> Movie:
    """The film as the fisheye shows it, and where voxels look on it."""
    _, height, width = movie.out_shape
    if height != width:
        raise BadInput(f"the fisheye needs square frames, given {height} x {width}: set fisheye = false, or crop them")
    parts = [movie.frames[at : at + AT_ONCE] for at in range(0, len(movie.frames), AT_ONCE)]
    frames = np.concatenate([np.round(resampled(part.astype(np.float32))).astype(np.uint8) for part in parts])
    return replace(movie, frames=frames, centre=warped_centres(movie.centre, width))


def warped_centres(centre: NDArray[np.floating], side: int) -> NDArray[np.float64]:
    """``(n, 2)`` x and y on frames through the fisheye."""
    columns, rows = ((np.asarray(centre, np.float64) + 0.5) * side - 0.5).T
    rows, columns = to_warped(rows, columns, side)
    return (np.stack([columns, rows], 1) + 0.5) / side - 0.5


def pixels_of(movie: Movie, axes: Axes = "row-column") -> NDArray[np.intp]:
    """``(n_voxels,)`` number of the pixel that each voxel looks at, row by row; `NOWHERE` for none.

    Parameters
    ----------
    axes
        ``"column-row"`` puts a voxel in the row that its x says and the column that its y says, as the released code
        does; right only where frames lie on their side, or where the table was swapped before.

    Raises
    ------
    BadInput
        When no voxel looks at a frame.
    """
    _, height, width = movie.out_shape
    x, y = movie.centre.T if axes == "row-column" else movie.centre.T[::-1]
    with np.errstate(invalid="ignore"):
        column, row = np.floor((x + 0.5) * width), np.floor((y + 0.5) * height)
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    if not inside.any():
        raise BadInput(
            "no voxel's receptive field lies on the frames: give centres as parts of the picture's side from its "
            "middle, -0.5 to 0.5, or estimate them (fields = 'estimated')"
        )
    found = np.full(len(movie.centre), NOWHERE, np.intp)
    found[inside] = (row[inside] * width + column[inside]).astype(np.intp)
    return found


def shuffled(pixel: Rows, region: NDArray[np.str_], seed: int | np.random.Generator) -> Rows:
    """Every voxel at the pixel of another of its region, drawn by lot."""
    rng, mixed = np.random.default_rng(seed), pixel.copy()
    for name in np.unique(region):
        own = np.flatnonzero(region == name)
        mixed[own] = pixel[rng.permutation(own)]
    return mixed


def with_places(movie: Movie, pixel: Rows) -> Movie:
    """The same film of the voxels alone that look somewhere."""
    return movie.only(np.flatnonzero(pixel != NOWHERE))


def synthetic(movie: Movie, pixel: Rows) -> Movie:
    """The film with every voxel's value the sum of red, green and blue at its pixel, the same at every lag.

    What comes of it says whether the network could work; it says nothing about a brain.
    """
    _, height, width = movie.out_shape
    flat = movie.frames[movie.frame].reshape(len(movie), -1, height * width)
    brightness = flat.sum(1, dtype=np.float32)[:, np.maximum(pixel, 0)] / np.float32(255)
    brightness[:, pixel == NOWHERE] = 0
    rows = np.arange(len(movie))
    return replace(
        movie,
        voxels=np.repeat(brightness, movie.n_lags, axis=0),
        of_volume=np.repeat(movie.run, movie.n_lags),
        first=rows * movie.n_lags,
    )
