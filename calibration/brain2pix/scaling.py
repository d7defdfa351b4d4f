"""Voxels brought to mean 0 and variance 1: by the training volumes, which a live decoder can know, or run by run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from calibration.brain2pix.material import Movie

LEAST = 1e-8
Values = NDArray[np.float32]


def scale_of(movie: Movie) -> tuple[Values, Values]:
    """Mean and deviation of every voxel over all volumes, ``(n_voxels,)`` each; 1 for one that never varies."""
    std = movie.voxels.std(0, dtype=np.float64)
    mean = movie.voxels.mean(0, dtype=np.float64)
    return mean.astype(np.float32), np.where(std > LEAST, std, 1.0).astype(np.float32)


def scaled(movie: Movie, mean: Values, std: Values) -> Movie:
    """The film with its voxels scaled."""
    return replace(movie, voxels=((movie.voxels - mean) / std).astype(np.float32))


def scaled_by_run(movie: Movie) -> Movie:
    """The film with its voxels scaled by mean and deviation of each run.

    As published, for training runs; what a run will be on average is known when it is over, so never live.
    """
    voxels = movie.voxels.copy()
    for number in np.unique(movie.of_volume):
        own = movie.of_volume == number
        part = movie.voxels[own].astype(np.float64)
        std = part.std(0)
        voxels[own] = (part - part.mean(0)) / np.where(std > LEAST, std, 1.0)
    return replace(movie, voxels=voxels)
