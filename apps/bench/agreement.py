"""Does a consumer answer what it was asked? Its predictions against the network applied offline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from apps.bench import engine
from apps.bench.job import Job, windows_ending
from apps.bench.run import Run

SETTLED_S = 8.0
"""The slowest part of the band-pass forgets its beginning in 0.83 s; consumers begin it differently."""


def agreement(job: Job, run: Run, onnx: Path, at_most: int = 200) -> dict[str, Any]:
    """Largest difference between predictions and the offline answer for the same newest sample.

    Parameters
    ----------
    at_most
        Predictions that are compared, evenly spread over those that end at least `SETTLED_S` after the beginning;
        in a shorter signal over its second half.

    Returns
    -------
    dict
        ``n`` compared, ``max_relative``: largest absolute difference over the largest absolute offline output.
    """
    first = max(min(SETTLED_S * job.sfreq, job.n_samples / 2), job.n_times)
    settled = np.flatnonzero((run.last >= first) & (run.last < job.n_samples))
    picked = settled[np.unique(np.linspace(0, len(settled) - 1, min(at_most, len(settled))).astype(int))]
    if not len(picked):
        return {"n": 0, "max_relative": float("inf")}
    predict = engine.load(onnx, (job.n_chans, job.n_times))
    expected = np.array([predict(window) for window in windows_ending(job, run.last[picked])])
    return {
        "n": len(picked),
        "max_relative": float(np.abs(run.values[picked] - expected).max() / np.abs(expected).max()),
    }
