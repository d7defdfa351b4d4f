"""Missing values: held, and marked."""

from __future__ import annotations

import numpy as np

from streamkit.preprocess.stage import Block, Samples, Stage
from streamkit.types import StreamSpec


class Repair(Stage):
    """Replace a value that is not finite by its channel's last finite one (0 before any) and mark the sample invalid.

    No recipe names it: it stands in every preprocessor, before the first stage that computes, because a single
    NaN would stay in a recursive filter for good.
    """

    def __init__(self, spec: StreamSpec) -> None:
        super().__init__(spec)
        self.reset()

    def process(self, block: Block) -> Block:
        """Hold and mark."""
        finite = np.isfinite(block.data)
        if finite.all():
            self._last = block.data[-1:].copy()
            return block
        data = self._held(block.data, finite)
        self._last = data[-1:].copy()
        return Block(data, block.stamps, block.valid & finite.all(axis=1), block.gap)

    def reset(self) -> None:
        """Forget the last finite values."""
        self._last = np.zeros((1, self.out.n_chans))

    def _held(self, data: Samples, finite: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Samples:
        rows = np.arange(1, len(data) + 1)[:, np.newaxis]
        source = np.maximum.accumulate(np.where(finite, rows, 0), axis=0)
        held: Samples = np.take_along_axis(np.concatenate((self._last, data)), source, axis=0)
        return held
