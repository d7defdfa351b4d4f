"""Does a consumer answer what it was asked? Its predictions against the network applied offline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.bench import engine
from apps.bench.job import Job, signal_block, windows_ending
from apps.bench.run import Run
from streamkit.errors import CheckFailed

TOLERANCE = 1e-3
SETTLED_S = 10.0
"""The slowest part of the band-pass forgets its beginning in 0.83 s."""


def beginnings(job: Job) -> dict[str, NDArray[np.float32]]:
    """What programs take to have been there before the first sample: nothing, it, or the first chunk's mean."""
    block = signal_block(job)
    return {"rest": np.zeros_like(block[0]), "first sample": block[0], "first chunk": block[: job.chunk].mean(axis=0)}


def agreement(job: Job, run: Run, onnx: Path, at_most: int = 200) -> dict[str, Any]:
    """Largest difference between predictions and the offline answer for the same newest sample.

    Parameters
    ----------
    at_most
        Predictions that are compared, evenly spread over those that end `SETTLED_S` after the beginning or later;
        in a signal that is not that long, over those whose window is full.

    Returns
    -------
    dict
        ``n`` compared; ``max_relative``, the largest absolute difference over the largest absolute offline output;
        ``filter_start``, which of `beginnings` that is for (the one that fits best).
    """
    first = SETTLED_S * job.sfreq if job.seconds > SETTLED_S + 1 else job.n_times - 1
    whole = np.flatnonzero((run.last >= first) & (run.last < job.n_samples))
    picked = whole[np.unique(np.linspace(0, len(whole) - 1, min(at_most, len(whole))).astype(int))]
    predict = engine.load(onnx, (job.n_chans, job.n_times))
    errors = {}
    for name, before in beginnings(job).items():
        expected = np.array([predict(window) for window in windows_ending(job, run.last[picked], before)])
        errors[name] = float(np.abs(run.values[picked] - expected).max() / np.abs(expected).max())
    best = min(errors, key=lambda name: errors[name])
    return {"n": len(picked), "max_relative": errors[best], "filter_start": best}


def check_agreement(name: str, found: dict[str, Any]) -> None:
    """Raise CheckFailed where a consumer's predictions are not those of the job."""
    if not found["max_relative"] <= TOLERANCE:
        raise CheckFailed(
            f"{name} gave predictions that differ from the offline answer by {found['max_relative']:.2g} of the "
            f"largest output, allowed is {TOLERANCE:g}: it did another job (filter, window, stamp) or lost samples, so "
            "its latency is not comparable"
        )
