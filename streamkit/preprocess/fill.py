"""Samples made up where some are missing, so that index and time stay together."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from streamkit import clock
from streamkit.preprocess.window import WindowConfig
from streamkit.types import Chunk, FloatArray


class Filler:
    """Puts made-up samples into gaps, as ``WindowConfig.gaps`` has it.

    Parameters
    ----------
    config
        ``"hold"`` repeats the sample before the gap, ``"zero"`` gives zeros; nothing is done for the others.
    rate
        Samples per second of stamps.

    Notes
    -----
    As many as the stamps say are missing, marked invalid, with stamps at even distance; the sample behind them does
    not follow a gap any more. A gap of more than a window stays, and so does one without length.
    """

    def __init__(self, config: WindowConfig, rate: float) -> None:
        self._active = config.gaps in ("hold", "zero")
        self._hold = config.gaps == "hold"
        self._longest = config.n_times
        self._rate = rate
        self._row: FloatArray | None = None
        self._stamp = np.nan

    def fill(self, chunk: Chunk) -> Chunk:
        """Return the next samples with their gaps filled; the same chunk where there is nothing to fill."""
        if not self._active or not len(chunk):
            return chunk
        filled = chunk if chunk.gap is None else self._fill(chunk, np.flatnonzero(chunk.gap))
        self._row, self._stamp = chunk.data[-1:].copy(), float(chunk.stamps[-1])
        return filled

    def _fill(self, chunk: Chunk, at: NDArray[np.intp]) -> Chunk:
        before = np.where(at > 0, chunk.stamps[at - 1], self._stamp)
        steps = chunk.stamps[at] - before
        n_missing = np.array([clock.n_missing(step, self._rate) for step in steps.tolist()], int)
        short = (n_missing > 0) & (n_missing <= self._longest)
        at, before, steps, n_missing = at[short], before[short], steps[short], n_missing[short]
        if not len(at):
            return chunk
        where = np.repeat(at, n_missing)
        turn = np.concatenate([np.arange(1, n + 1) for n in n_missing])
        stamps = np.repeat(before, n_missing) + np.repeat(steps / (n_missing + 1), n_missing) * turn
        gap = np.zeros(len(chunk), bool) if chunk.gap is None else chunk.gap.copy()
        gap[at] = False
        return dataclasses.replace(
            chunk,
            data=np.insert(chunk.data, where, self._rows(chunk, where), axis=0),
            stamps=np.insert(chunk.stamps, where, stamps),
            valid=np.insert(np.ones(len(chunk), bool) if chunk.valid is None else chunk.valid, where, False),
            gap=np.insert(gap, where, False),
        )

    def _rows(self, chunk: Chunk, where: NDArray[np.intp]) -> FloatArray:
        """``(n_made_up, n_chans)`` values for the samples to be put before samples `where`."""
        if not self._hold:
            return np.zeros((len(where), chunk.data.shape[1]), chunk.data.dtype)
        rows = chunk.data[where - 1]
        if self._row is not None:
            rows[where == 0] = self._row
        return rows
