"""The latency job: what comes in, what is done to it, what goes out, and what the answer must be."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.signal import butter, sosfilt, sosfilt_zi

BLOCK = 2000
"""Samples after which the simulated signal repeats."""


class Job(BaseModel):
    """One continuous decoder over LSL.

    Parameters
    ----------
    n_chans, sfreq, chunk
        The source: float32 microvolts, `chunk` samples pushed together, the newest stamped when it is pushed.
    band, order
        Corner frequencies in Hz and order of the causal Butterworth band-pass.
    n_times, hop
        Every `hop` samples the newest `n_times` filtered samples go through the network.
    n_outputs
        Numbers in a prediction, which is stamped with its newest input sample.
    seconds
        Length of the signal.
    warmup
        Predictions at the beginning that are not counted.
    steady
        Source and sink ask for real-time scheduling.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_chans: int = 64
    sfreq: float = 1000.0
    chunk: int = 10
    band: tuple[float, float] = (0.5, 40.0)
    order: int = 4
    n_times: int = 250
    hop: int = 50
    n_outputs: int = 16
    seconds: float = Field(default=60.0, gt=0)
    warmup: int = Field(default=20, ge=0)
    steady: bool = False

    @property
    def n_samples(self) -> int:
        """Samples that are sent: whole chunks."""
        return round(self.seconds * self.sfreq / self.chunk) * self.chunk

    @property
    def n_predictions(self) -> int:
        """Full windows in them."""
        return max(0, (self.n_samples - self.n_times) // self.hop + 1)

    def chunk_wait_ms(self, last: NDArray[np.int64]) -> NDArray[np.float64]:
        """Milliseconds from the stamps of the samples `last` until their chunks are sent."""
        return (self.chunk - 1 - last % self.chunk) * 1e3 / self.sfreq

    @property
    def sos(self) -> NDArray[np.float64]:
        """``(n_sections, 6)`` the band-pass."""
        sections: NDArray[np.float64] = butter(self.order, self.band, "bandpass", fs=self.sfreq, output="sos")
        return sections


def signal_block(job: Job, seed: int = 0) -> NDArray[np.float32]:
    """``(BLOCK, n_chans)`` simulated microvolts, the same for everybody; the source sends it again and again."""
    noise = np.random.default_rng(seed).standard_normal((BLOCK, job.n_chans), dtype=np.float32)
    return noise * np.float32(10)


def windows_ending(job: Job, last: NDArray[np.int64], before: NDArray[np.float32]) -> NDArray[np.float32]:
    """``(n, n_chans, n_times)`` windows whose newest samples are `last`, of the signal filtered in one pass.

    Parameters
    ----------
    before
        ``(n_chans,)`` what the filter takes to have been there forever before the first sample.
    """
    signal = np.resize(signal_block(job), (job.n_samples, job.n_chans)).astype(np.float64)
    filtered = sosfilt(job.sos, signal, axis=0, zi=sosfilt_zi(job.sos)[:, :, np.newaxis] * before)[0]
    return np.stack([filtered[i + 1 - job.n_times : i + 1].T for i in last]).astype(np.float32)


def description(job: Job) -> dict[str, Any]:
    """The job, in words and numbers."""
    text = (
        f"{job.n_chans} channels x {job.sfreq:g} Hz float32 over LSL in chunks of {job.chunk}; causal Butterworth "
        f"band-pass {job.band[0]:g}-{job.band[1]:g} Hz, order {job.order}; every {job.hop} samples the newest "
        f"{job.n_times} through one fixed network; the prediction leaves on LSL stamped with its newest input sample; "
        "another process measures now - stamp"
    )
    return {"text": text, **job.model_dump(), "n_samples": job.n_samples, "expected_predictions": job.n_predictions}
