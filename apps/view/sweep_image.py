"""SweepImage: the sweep as pixels; only the columns that changed are painted, in numpy, without Qt."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from apps.view.state.signal import SignalState
from apps.view.state.sweep import Columns
from apps.view.theme import Theme, argb, mix

LEVELS = 64
ERASE = 0.012
"""Part of the width that lies blank ahead of the newest sample."""


class SweepImage:
    """A 32-bit picture of `SignalState`, as many columns wide as its sweep.

    Attributes
    ----------
    pixels
        ``(height, columns)`` uint32, 0xAARRGGBB.
    """

    def __init__(self, theme: Theme, height: int, columns: int, thickness: float = 1.15) -> None:
        self.pixels = np.zeros((max(1, height), max(1, columns)), np.uint32)
        self.thickness = thickness
        self.use(theme)

    def use(self, theme: Theme) -> None:
        """Change colours; the next full paint shows them."""
        ramp = [argb(mix(theme.well, theme.neutral, k / (LEVELS - 1))) for k in range(LEVELS)]
        self._ramp = np.array(ramp, np.uint32)
        self._grid = np.uint32(argb(mix(theme.well, theme.line, 0.55)))
        self._gap = np.array([argb(theme.gap), argb(theme.hatch)], np.uint32)

    @property
    def ahead(self) -> int:
        """Number of blank columns ahead of the newest sample."""
        return max(4, round(self.pixels.shape[1] * ERASE))

    def paint_new(self, state: SignalState) -> Columns:
        """Paint what changed since the last time; returns the screen columns painted."""
        columns = state.sweep.take_dirty(self.ahead)
        self.paint(state, columns)
        return columns

    def paint_all(self, state: SignalState) -> None:
        """Paint every column."""
        state.sweep.take_dirty()
        self.paint(state, np.arange(self.pixels.shape[1]))

    def paint(self, state: SignalState, columns: Columns) -> None:
        """Paint these screen columns."""
        columns = columns[columns < self.pixels.shape[1]]
        if not len(columns):
            return
        block = self._traces(state, columns)
        gap = state.sweep.gap[columns] & ~self._blank(state, columns)
        if gap.any():
            block[:, gap] = self._hatched(columns[gap])
        self.pixels[:, columns] = block

    def _traces(self, state: SignalState, columns: Columns) -> NDArray[np.uint32]:
        top, bottom = self._spans(state, columns)
        coverage = _coverage(top, bottom, self.pixels.shape[0])
        level = (coverage * (LEVELS - 1) + 0.5).astype(np.uint8)
        block = self._ramp[level]
        seconds = self._is_second(state, columns)
        if seconds.any():
            block[:, seconds] = np.where(level[:, seconds] == 0, self._grid, block[:, seconds])
        return block

    def _spans(self, state: SignalState, columns: Columns) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Top and bottom, in pixels, of each channel's mark in each column; NaN where there is none."""
        sweep, channels = state.sweep, state.channels
        lane = self.pixels.shape[0] / max(1, channels.stop - channels.start)
        middle = (np.arange(channels.stop - channels.start) + 0.5) * lane
        gain = lane / state.scale
        centre = state.centre[channels]
        top = middle - (sweep.hi[columns, channels] - centre) * gain
        bottom = middle - (sweep.lo[columns, channels] - centre) * gain
        thin = np.maximum(self.thickness - (bottom - top), 0) / 2
        blank = self._blank(state, columns)
        top[blank], bottom[blank] = np.nan, np.nan
        return (top - thin).astype(np.float32), (bottom + thin).astype(np.float32)

    def _blank(self, state: SignalState, columns: Columns) -> NDArray[np.bool_]:
        head = state.sweep.head
        distance = (columns - head - 1) % state.sweep.columns
        ahead: NDArray[np.bool_] = (distance < self.ahead) & (head >= 0)
        return ahead

    @staticmethod
    def _is_second(state: SignalState, columns: Columns) -> NDArray[np.bool_]:
        every = 1.0 if state.seconds <= 10 else 5.0
        tick = np.floor(columns / state.sweep.rate / every)
        before = np.floor((columns - 1) / state.sweep.rate / every)
        seconds: NDArray[np.bool_] = (tick != before) & (columns > 0)
        return seconds

    def _hatched(self, columns: Columns) -> NDArray[np.uint32]:
        rows = np.arange(self.pixels.shape[0])[:, None]
        return self._gap[((rows + columns[None]) % 9 < 2).astype(np.intp)]


def _coverage(top: NDArray[np.float32], bottom: NDArray[np.float32], height: int) -> NDArray[np.float32]:
    """``(height, n_columns)`` part of each pixel that the vertical spans ``(n_columns, n_spans)`` cover, 0 to 1.

    Each end of a span adds to the two pixel rows it lies between; summing down the column gives the area covered.
    """
    n_columns = len(top)
    solid = np.isfinite(top) & np.isfinite(bottom) & (bottom > 0) & (top < height)
    column = np.broadcast_to(np.arange(n_columns)[:, None], top.shape)[solid]
    edges = np.zeros((height + 2) * n_columns, np.float64)
    for ends, sign in ((top[solid], 1.0), (bottom[solid], -1.0)):
        ends = np.clip(ends, 0, height)
        row = np.floor(ends).astype(np.intp)
        part = ends - row
        flat = row * n_columns + column
        edges += np.bincount(flat, sign * (1 - part), len(edges))
        edges += np.bincount(flat + n_columns, sign * part, len(edges))
    covered = np.cumsum(edges.reshape(height + 2, n_columns), axis=0)[:height]
    return np.clip(covered, 0, 1).astype(np.float32)
