"""The same trials with less in them: fewer sites, coarser bins."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamkit.errors import ConfigError

Array = NDArray[np.floating]
Rows = NDArray[np.intp]


def thinned(region: NDArray[np.str_], share: float, seed: int) -> Rows:
    """Draw a share of the sites of every region, rounded, at least one of each.

    The sites of a smaller share are among those of a larger one of the same seed.

    Parameters
    ----------
    region
        ``(n_sites,)`` name of the region of each site.
    """
    if not 0 < share <= 1:
        raise ConfigError(f"share = {share}: it is how many of the sites are kept, above 0 and up to 1")
    rng, kept = np.random.default_rng(seed), []
    for name in dict.fromkeys(region.tolist()):
        sites = rng.permutation(np.flatnonzero(region == name))
        kept.append(sites[: max(1, round(share * len(sites)))])
    return np.sort(np.concatenate(kept))


def coarser(X: Array, factor: int) -> Array:
    """Every `factor` neighbouring bins replaced by their mean, as if they had been counted together.

    The number of bins stays, so that the same network takes them; the last of them may be fewer.

    Parameters
    ----------
    X
        ``(n, n_bins, n_sites)``.
    """
    if not 1 <= factor <= X.shape[1]:
        raise ConfigError(f"{factor} bins cannot be counted together: a trial has {X.shape[1]}")
    belongs = np.arange(X.shape[1]) // factor
    starts = np.flatnonzero(np.diff(belongs, prepend=-1))
    means = np.add.reduceat(X, starts, axis=1) / np.bincount(belongs)[None, :, None]
    return np.asarray(means[:, belongs], np.float32)
