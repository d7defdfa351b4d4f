"""Mean over the last n samples, exact for any chunking and without accumulated error.

Time is cut into blocks of n samples. The last n samples are the end of the previous block and the beginning
of this one, so their sum is a stored suffix sum plus a running prefix sum that starts anew with each block
(the decomposition of van Herk 1992, Pattern Recognition Letters 13, for sums). Nothing is ever subtracted.
"""

from __future__ import annotations

import numpy as np

from streamkit.preprocess.stage import Samples


class MovingAverage:
    """Causal mean over the last `n_mean` samples; over all samples so far until there are as many.

    Parameters
    ----------
    n_mean
        Samples in the mean.
    n_chans
        Number of channels.
    """

    def __init__(self, n_mean: int, n_chans: int) -> None:
        self.n_mean = n_mean
        self._block = np.zeros((n_mean, n_chans))
        self._counts = np.arange(1.0, n_mean + 1)[:, np.newaxis]
        self.reset()

    def reset(self) -> None:
        """Forget all samples."""
        self._filled = 0
        self._first_block = True
        self._prefix = np.zeros(self._block.shape[1])
        self._rest = np.zeros_like(self._block)

    def transform(self, data: Samples) -> Samples:
        """Next ``(n_times, n_chans)`` to their running means, in a new row-major array."""
        means = np.empty(data.shape)
        at = 0
        while at < len(data):
            n_times = min(self.n_mean - self._filled, len(data) - at)
            self._within_block(data[at : at + n_times], means[at : at + n_times])
            at += n_times
        return means

    def _within_block(self, data: Samples, means: Samples) -> None:
        part = slice(self._filled, self._filled + len(data))
        self._block[part] = data
        # Row by row: several times faster than NumPy's accumulate along the strided axis.
        for row, sample in enumerate(data):
            self._prefix += sample
            np.add(self._prefix, self._rest[part.start + row], out=means[row])
        means /= self._counts[part] if self._first_block else self.n_mean
        self._filled = part.stop
        if self._filled == self.n_mean:
            self._next_block()

    def _next_block(self) -> None:
        # _rest[i] is the sum of the old block after its sample i: what is still in the mean at the new one's sample i.
        self._rest[-1] = 0
        for row in range(self.n_mean - 1, 0, -1):
            np.add(self._rest[row], self._block[row], out=self._rest[row - 1])
        self._prefix[:] = 0
        self._filled = 0
        self._first_block = False
