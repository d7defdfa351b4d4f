"""How well the shown image could be identified by one who knows the forward model: the ceiling of a decoder's score."""

from __future__ import annotations

from math import comb

import numpy as np
from numpy.typing import NDArray

from calibration.datasets import responses
from calibration.datasets.world import World
from streamkit.errors import ConfigError

FloatArray = NDArray[np.float64]


def log_likelihoods(world: World, group: str = "test") -> FloatArray:
    """``(n, n)`` log-likelihood of the counts of each presentation (row) under each stimulus shown (column).

    Poisson, from the true rates summed over one presentation; the shared gain is taken at its mean, 1. A term that
    is the same for all stimuli is left out.
    """
    if "spikes" not in world.config.streams:
        raise ConfigError(f"world {world.config.name!r} has no spikes, and the oracle counts spikes")
    units, shown = world.config.units, world.presentations[group]
    counts = world.recordings[group].signals[world.config.streams.index("spikes")].data
    course = responses.envelope(units, world.config.presentation)
    first = np.round(shown.onsets / units.bin).astype(int)
    summed = np.stack([counts[at : at + len(course)].sum(axis=0) for at in first])
    expected = units.bin * (units.base * len(course) + units.evoked * shown.response * course.sum())
    return np.asarray(summed @ np.log(np.maximum(expected, 1e-12)).T - expected.sum(axis=1))


def identification_ceiling(world: World, n_way: int = 20, group: str = "test") -> float:
    """Expected share of presentations whose stimulus wins among `n_way` drawn from the group; ties are shared.

    Raises
    ------
    ConfigError
        When the world has no spikes, or fewer stimuli than candidates.
    """
    likelihood = log_likelihoods(world, group)
    n = len(likelihood)
    if not 2 <= n_way <= n:
        raise ConfigError(f"n_way = {n_way}: the group {group!r} has {n} stimuli; choose 2 to {n}")
    own = np.diag(likelihood)[:, None]
    better = (likelihood > own + 1e-9).sum(axis=1)
    equal = (np.abs(likelihood - own) <= 1e-9).sum(axis=1) - 1
    worse = n - 1 - better - equal
    return float(np.mean([chance_to_win(w, e, n, n_way) for w, e in zip(worse, equal, strict=True)]))


def chance_to_win(worse: int, equal: int, n: int, n_way: int) -> float:
    """Probability that none of ``n_way - 1`` others drawn without return is better, ties shared evenly."""
    total = 0.0
    for ties in range(min(equal, n_way - 1) + 1):
        total += hypergeometric(worse, n_way - 1 - ties, equal, ties, n - 1) / (ties + 1)
    return total


def hypergeometric(worse: int, from_worse: int, equal: int, from_equal: int, others: int) -> float:
    """Probability to draw exactly so many from the worse and from the equal ones."""
    return comb(worse, from_worse) * comb(equal, from_equal) / comb(others, from_worse + from_equal)
