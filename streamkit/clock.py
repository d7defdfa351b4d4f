"""The rules of time that live and offline share: order of stamps, gaps and their length, the sample of an event."""

from __future__ import annotations

import math

import numpy as np

from streamkit.types import Mask, Stamps

TIE_S = 1e-6
"""Two distances closer than this are a tie; stamps around 1e9 s carry about 2e-7 s of rounding."""


NO_SAMPLE = -1
"""The event lies where the stream has no sample."""


def default_max_gap(sfreq: float) -> float:
    """Longest step between stamps, in seconds, that still counts as jitter at `sfreq` Hz."""
    return max(0.1, 2.5 / sfreq) if sfreq > 0 else np.inf


def monotonic(stamps: Stamps, previous: float = -np.inf) -> Stamps:
    """Corrected stamps that never go back: a sample stamped before its predecessor gets its stamp.

    Parameters
    ----------
    stamps
        ``(n_times,)`` seconds.
    previous
        Last corrected stamp already given out.
    """
    if len(stamps) == 0:
        return stamps
    return np.maximum(np.maximum.accumulate(stamps), previous)


def gaps(stamps: Stamps, previous: float, max_gap: float) -> Mask:
    """``(n_times,)`` True where more than `max_gap` seconds lie between a sample and the one before it.

    `previous` is the stamp before the first of `stamps`; NaN at the start of a stream.
    """
    return np.diff(stamps, prepend=previous) > max_gap


def n_missing(step: float, rate: float) -> int:
    """How many samples are missing between two that lie `step` seconds apart, at `rate` stamps a second.

    The nearest whole number, a tie to the greater; 0 where there is no step, before the first sample.
    """
    return max(0, math.floor((step + TIE_S) * rate + 0.5) - 1) if math.isfinite(step) else 0


def nearest_sample(stamps: Stamps, stamp: float, *, within: float = np.inf, final: bool = False) -> int | None:
    """Position in `stamps` of the sample an event at `stamp` belongs to: the nearest, a tie to the later.

    Of several samples with the same stamp it is the first: when that one arrives nobody knows yet whether another
    follows.

    Parameters
    ----------
    stamps
        ``(n_times,)`` corrected stamps, never decreasing.
    stamp
        The event's corrected stamp.
    within
        Furthest, in seconds, that the nearest sample may lie.
    final
        True when no further sample will come, so the last one may be the nearest.

    Returns
    -------
    int or None
        None while the samples seen so far cannot tell (the next one might be nearer);
        `NO_SAMPLE` when the nearest lies further than `within`.
    """
    after = int(np.searchsorted(stamps, stamp, side="right"))
    if after == len(stamps) and not (final or (after and stamp - stamps[-1] <= TIE_S)):
        return None
    before_distance = stamp - stamps[after - 1] if after else np.inf
    after_distance = stamps[after] - stamp if after < len(stamps) else np.inf
    if min(before_distance, after_distance) > within:
        return NO_SAMPLE
    if after_distance <= before_distance + TIE_S:
        return after
    return int(np.searchsorted(stamps, stamps[after - 1], side="left"))
