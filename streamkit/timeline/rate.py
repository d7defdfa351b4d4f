"""The rate a stream really has."""

from __future__ import annotations

import numpy as np

from streamkit.types import Chunk

_POINTS = 1024


def effective_rate(samples: Chunk, period: float) -> float:
    """Stamps per second by a straight line through the corrected stamps; duplicates and gaps do not count.

    Parameters
    ----------
    samples
        A run of samples with ``gap`` and ``duplicate`` as `Timeline` finds them, ten seconds or so.
    period
        Seconds a step over a gap is taken to be.

    Returns
    -------
    float
        NaN for fewer than three samples or when no time passes.
    """
    if len(samples) < 3:
        return float("nan")
    at = np.linspace(0, len(samples) - 1, min(len(samples), _POINTS)).astype(np.intp)
    stamps, count = samples.stamps[at], at.astype(np.float64)
    if samples.gap is not None:
        gaps = np.flatnonzero(samples.gap[1:]) + 1
        excess = np.concatenate(([0.0], np.cumsum(samples.stamps[gaps] - samples.stamps[gaps - 1] - period)))
        stamps = stamps - excess[np.searchsorted(gaps, at, side="right")]
    if samples.duplicate is not None:
        count -= np.searchsorted(np.flatnonzero(samples.duplicate), at, side="right")
    stamps, count = stamps - stamps.mean(), count - count.mean()
    spread = float(count @ stamps)
    return float(count @ count) / spread if spread > 0 else float("nan")
