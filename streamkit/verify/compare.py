"""Match the live answer to the offline answer."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel

from streamkit.errors import RecordingError
from streamkit.verify.answer import Answer

LIVE_PARITY = 1e-5
"""Largest absolute difference allowed between live and offline on one backend."""

EVENT_MATCH_S = 1e-3
"""A live event is the file's event of the same label when their stamps agree this well."""


class Verdict(BaseModel):
    """What `compare` found.

    Parameters
    ----------
    expected, live
        Number of predictions offline and live.
    missed, duplicated, unexpected
        Offline predictions with no live one; live ones beyond the first for the same event or hop;
        live ones that answer nothing the file holds.
    max_abs
        Largest absolute difference between matched values; NaN when nothing matched.
    max_stamp_error
        Largest difference between matched stamps, seconds.
    passed
        Whether every condition held.
    epochs
        The same of predicted and recorded epochs; None where the bundle predicts none.
    """

    backend: str
    expected: int
    live: int
    missed: int
    duplicated: int
    unexpected: int
    max_abs: float
    tolerance: float
    max_stamp_error: float
    passed: bool
    epochs: Verdict | None = None


def compare(offline: Answer, live: Answer, sfreq: float, tolerance: float = LIVE_PARITY) -> Verdict:
    """Match live to offline predictions by event or hop and measure how far they differ.

    Parameters
    ----------
    offline, live
        The two answers, both with stamps on the recording's clock.
    sfreq
        Rate of the processed stream, Hz: stamps must agree within half a sample.
    tolerance
        Largest absolute difference allowed.

    Raises
    ------
    RecordingError
        When the file itself gives the model nothing to decode.
    """
    if len(offline.events) == 0:
        raise RecordingError(
            "the recording holds nothing this bundle would decode: no event matches its window's patterns "
            "or the signal is shorter than one window"
        )
    verdict = _matched(offline, live, sfreq, tolerance)
    if offline.epochs is None and live.epochs is None:
        return verdict
    if offline.epochs is None or live.epochs is None:
        return verdict.model_copy(update={"passed": False})
    epochs = _matched(offline.epochs, live.epochs, sfreq, tolerance)
    return verdict.model_copy(update={"epochs": epochs, "passed": verdict.passed and epochs.passed})


def _matched(offline: Answer, live: Answer, sfreq: float, tolerance: float) -> Verdict:
    """Match and measure; where the file holds nothing and nothing came live, there is no difference."""
    unmatched = {i: None for i in range(len(offline.events))}
    pairs, duplicated, unexpected = [], 0, 0
    for j in range(len(live.events)):
        candidates = _candidates(offline, live, j)
        fresh = next((i for i in candidates if i in unmatched), None)
        if fresh is not None:
            del unmatched[fresh]
            pairs.append((fresh, j))
        elif candidates:
            duplicated += 1
        else:
            unexpected += 1
    max_abs, stamp_error = _differences(offline, live, pairs)
    passed = (
        not unmatched
        and duplicated == unexpected == 0
        and max_abs <= tolerance
        and stamp_error <= 0.5 / sfreq
        and offline.backend == live.backend
    )
    return Verdict(
        backend=live.backend,
        expected=len(offline.events),
        live=len(live.events),
        missed=len(unmatched),
        duplicated=duplicated,
        unexpected=unexpected,
        max_abs=max_abs,
        tolerance=tolerance,
        max_stamp_error=stamp_error,
        passed=passed,
    )


def _candidates(offline: Answer, live: Answer, j: int) -> list[int]:
    """Offline predictions that answer the same event or hop as live prediction `j`."""
    event = live.events[j]
    if event is None:
        return [int(i) for i in np.flatnonzero(offline.last == live.last[j]) if offline.events[i] is None]
    near = [
        (abs(other.stamp - event.stamp), i)
        for i, other in enumerate(offline.events)
        if other is not None and other.label == event.label and abs(other.stamp - event.stamp) <= EVENT_MATCH_S
    ]
    return [i for _, i in sorted(near)]


def _differences(offline: Answer, live: Answer, pairs: list[tuple[int, int]]) -> tuple[float, float]:
    if not pairs:
        nothing = 0.0 if not offline.events and not live.events else float("nan")
        return nothing, nothing
    i, j = np.array(pairs).T
    values = np.abs(offline.values[i].astype(np.float64) - live.values[j])
    return float(values.max()), float(np.abs(offline.stamps[i] - live.stamps[j]).max())
