"""Noise covariance of recordings of any length, and the matrix that whitens it.

For each stretch of `length` samples the channels are standardised, their covariance is shrunk towards the identity
(Ledoit & Wolf 2004, J. Multivar. Anal. 88:365) and scaled back; the mean over all stretches counts. As in Guggenmos,
Sterzer & Cichy 2018 (NeuroImage 173:434) for epochs.
"""

from __future__ import annotations

import numpy as np

from streamkit.errors import ConfigError, require
from streamkit.preprocess.stage import Block, Samples

SMALLEST = 1e-12
"""Eigenvalues below this share of the largest are none: the covariance cannot be inverted."""


class NoiseCovariance:
    """Mean covariance over the stretches of recordings, the same whatever the chunks.

    A stretch ends after `length` samples, before a gap, or with the recording. One of less than half of `length` is
    left out; so are invalid samples.

    Parameters
    ----------
    n_chans
        Channels.
    length
        Samples of a stretch.
    """

    def __init__(self, n_chans: int, length: int) -> None:
        self.n = 0
        self._length = length
        self._sum = np.zeros((n_chans, n_chans))
        self._blocks: list[Block] = []
        self._waiting = 0

    def add(self, block: Block) -> None:
        """Count the next samples of a recording."""
        first = 0
        while first < len(block):
            if block.gap[first]:
                self.close()
            stop = min(len(block), first + self._length - self._waiting)
            gaps = np.flatnonzero(block.gap[first + 1 : stop])
            stop = first + 1 + int(gaps[0]) if len(gaps) else stop
            self._blocks.append(block[first:stop])
            self._waiting += stop - first
            if self._waiting == self._length:
                self.close()
            first = stop

    def close(self) -> None:
        """End the stretch: the recording is over, or samples are missing."""
        if 2 * self._waiting >= self._length:
            data = np.concatenate([block.data[block.valid] for block in self._blocks])
            if len(data) > 1:
                self._sum += shrunk(data)
                self.n += 1
        self._blocks, self._waiting = [], 0

    @property
    def mean(self) -> Samples:
        """``(n_chans, n_chans)``; one stretch at least has to be counted."""
        return self._sum / self.n


def shrunk(data: Samples) -> Samples:
    """Covariance of ``(n_times, n_chans)``, shrunk after standardising; 0 for a channel that does not change."""
    covariance = require("sklearn.covariance", "train", "fitting a whiten stage")
    centred = data - data.mean(axis=0)
    std = np.sqrt((centred**2).mean(axis=0))
    standard = centred / np.where(std > 0, std, 1.0)
    correlation, _ = covariance.ledoit_wolf(standard, assume_centered=True)
    return np.asarray(correlation * np.outer(std, std), dtype=np.float64)


def whitening(covariance: Samples) -> Samples:
    """Symmetric inverse square root; a channel that never changes is left as it is.

    Raises
    ------
    ConfigError
        When channels depend on each other, so that there is none.
    """
    matrix = np.eye(len(covariance))
    alive = np.flatnonzero(np.diag(covariance) > 0)
    if not len(alive):
        return matrix
    values, vectors = np.linalg.eigh(covariance[np.ix_(alive, alive)])
    if values[0] <= SMALLEST * values[-1]:
        raise ConfigError(
            f"the covariance of {len(alive)} channels has only {np.sum(values > SMALLEST * values[-1])} dimensions, so "
            "it cannot be whitened; pick fewer channels, or leave out a reference that makes them depend on each other"
        )
    root = (vectors / np.sqrt(values)) @ vectors.T
    matrix[np.ix_(alive, alive)] = (root + root.T) / 2
    return matrix
