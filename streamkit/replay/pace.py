"""Waking when something is due, on one absolute schedule of the LSL clock."""

from __future__ import annotations

import ctypes
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pylsl

SLICE_S = 0.05
"""Longest single sleep: how late, at most, a request to stop or to seek is seen."""

_PR_SET_TIMERSLACK, _PR_GET_TIMERSLACK = 29, 30


def sleep_until(due: float, interrupted: threading.Event) -> float | None:
    """Sleep until the LSL clock says `due`, seconds.

    Plain sleeps towards an absolute time: errors do not add up, and a sleep wakes sooner than a wait for an event
    does, which goes through two locks.

    Returns
    -------
    float or None
        The time on the LSL clock, `due` or a little later; None as soon as `interrupted` is seen to be set.
    """
    while not interrupted.is_set():
        now = float(pylsl.local_clock())
        if now >= due:
            return now
        time.sleep(min(due - now, SLICE_S))
    return None


@contextmanager
def exact_sleep() -> Iterator[None]:
    """Ask Linux not to let the sleeps of this thread run over by its usual 50 microseconds."""
    if not sys.platform.startswith("linux"):
        yield
        return
    prctl = ctypes.CDLL(None).prctl
    before = prctl(_PR_GET_TIMERSLACK, 0, 0, 0, 0)
    prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(_PR_SET_TIMERSLACK, max(before, 0), 0, 0, 0)
