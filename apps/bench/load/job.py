"""The load job: what is sent, what is done to it, and how often it is answered."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from streamkit.preprocess import PreprocessConfig, WindowConfig
from streamkit.types import StreamSpec

SPIKE_BAND = (300.0, 3000.0)
SLOW_BAND = (0.5, 40.0)
BIN_S = 0.01
WINDOW_BINS = 20
SLOW_WINDOW_S = 0.1
BLOCK_S = {"spikes": 0.1, "slow": 2.0}
"""Seconds after which the simulated signal repeats; a whole number of predictions."""

SETTLED_S = {"spikes": 2.0, "slow": 20.0}
"""Seconds after which the filter has forgotten how it began, so that predictions repeat with the signal."""

SPIKE_RATE = 20.0
SPIKE = -60.0 * np.hanning(30) * np.cos(np.linspace(0, 2.5 * np.pi, 30))


class LoadJob(BaseModel):
    """One or several decoders at 100 predictions a second.

    Parameters
    ----------
    n_chans, sfreq, channel_format
        Of each stream.
    n_streams
        Streams at once, all from one source process to one decoding process.
    chunk
        Seconds of signal that are pushed together, the newest sample stamped when it is pushed.
    ring
        Seconds the raw ring of each stream holds; None for what a session takes by itself.
    seconds
        Length of the signal.
    warmup
        Predictions at the beginning that are not counted in the latency.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_chans: int = Field(default=1024, ge=1)
    sfreq: float = Field(default=30000.0, gt=0)
    channel_format: Literal["float32", "int16"] = "float32"
    n_streams: int = Field(default=1, ge=1)
    chunk: float = 0.001
    ring: float | None = None
    seconds: float = Field(default=600.0, gt=0)
    warmup: int = Field(default=50, ge=0)

    @property
    def kind(self) -> Literal["spikes", "slow"]:
        """Spike counts where the rate allows for them, else a slow band-pass."""
        return "spikes" if self.sfreq > 2 * SPIKE_BAND[1] else "slow"

    @property
    def n_chunk(self) -> int:
        """Samples in a chunk."""
        return max(1, round(self.chunk * self.sfreq))

    @property
    def n_block(self) -> int:
        """Samples after which the signal repeats."""
        return round(BLOCK_S[self.kind] * self.sfreq)

    @property
    def n_hop(self) -> int:
        """Raw samples from one prediction to the next."""
        return round(BIN_S * self.sfreq)

    @property
    def n_window(self) -> int:
        """Raw samples in a window."""
        return self.n_hop * WINDOW_BINS if self.kind == "spikes" else round(SLOW_WINDOW_S * self.sfreq)

    @property
    def n_samples(self) -> int:
        """Samples of each stream that are sent: whole chunks."""
        return round(self.seconds * self.sfreq / self.n_chunk) * self.n_chunk

    @property
    def n_predictions(self) -> int:
        """Predictions of each stream that they make."""
        return max(0, (self.n_samples - self.n_window) // self.n_hop + 1)

    @property
    def n_unsettled(self) -> int:
        """Predictions before they repeat with the signal."""
        return min(self.n_predictions, round(SETTLED_S[self.kind] * self.sfreq / self.n_hop))

    @property
    def megabytes_per_second(self) -> float:
        """What all streams carry."""
        return self.n_streams * self.n_chans * self.sfreq * np.dtype(self.channel_format).itemsize / 1e6

    @property
    def stream(self) -> StreamSpec:
        """What each stream is."""
        names = tuple(f"E{k}" for k in range(self.n_chans))
        kind = "Spikes" if self.kind == "spikes" else "EEG"
        return StreamSpec(type=kind, ch_names=names, sfreq=self.sfreq, unit="microvolts")

    @property
    def preprocess(self) -> PreprocessConfig:
        """Its chain, thresholds not yet fitted."""
        low, high = SPIKE_BAND if self.kind == "spikes" else SLOW_BAND
        stages: list[dict[str, Any]] = [{"kind": "bandpass", "low": low, "high": high}]
        if self.kind == "spikes":
            stages += [{"kind": "threshold", "factor": -4.5}, {"kind": "bin", "width": BIN_S}]
        return PreprocessConfig.model_validate({"stages": stages})

    @property
    def window(self) -> WindowConfig:
        """One window every 10 ms."""
        if self.kind == "spikes":
            return WindowConfig(mode="hop", n_times=WINDOW_BINS, hop=1)
        return WindowConfig(mode="hop", n_times=self.n_window, hop=self.n_hop)


def signal_block(job: LoadJob, seed: int = 0) -> NDArray[Any]:
    """``(n_block, n_chans)`` simulated microvolts in the format of the wire; the source sends it again and again.

    Noise of 10 microvolts on an offset per channel; for spikes also `SPIKE_RATE` of them a second, 1 ms long.
    """
    rng = np.random.default_rng(seed)
    block = rng.standard_normal((job.n_block, job.n_chans), dtype=np.float32) * np.float32(10)
    block += rng.normal(0, 200, job.n_chans).astype(np.float32)
    if job.kind == "spikes":
        _add_spikes(block, rng, round(SPIKE_RATE * BLOCK_S["spikes"] * job.n_chans))
    return block if job.channel_format == "float32" else np.rint(block).astype(np.int16)


def description(job: LoadJob) -> dict[str, Any]:
    """The job, in words and numbers."""
    low, high = SPIKE_BAND if job.kind == "spikes" else SLOW_BAND
    then = (
        "crossings of -4.5 x robust RMS per channel (fitted beforehand, in the bundle), counts in 10 ms bins, every "
        f"bin the newest {WINDOW_BINS} through the network"
        if job.kind == "spikes"
        else f"every 10 ms the newest {SLOW_WINDOW_S:g} s through the network"
    )
    text = (
        f"{job.n_streams} x {job.n_chans} channels x {job.sfreq:g} Hz {job.channel_format} over LSL in chunks of "
        f"{job.n_chunk} samples; causal Butterworth band-pass {low:g}-{high:g} Hz, order 4; {then}; the prediction "
        "leaves on LSL stamped with its newest raw sample; another process notes when it has it"
    )
    derived = ("n_chunk", "n_samples", "n_predictions", "megabytes_per_second")
    return {"text": text, **job.model_dump(), **{name: getattr(job, name) for name in derived}}


def _add_spikes(block: NDArray[np.float32], rng: np.random.Generator, n_spikes: int) -> None:
    starts = rng.integers(0, len(block) - len(SPIKE), n_spikes)
    channels = rng.integers(0, block.shape[1], n_spikes)
    for start, channel in zip(starts.tolist(), channels.tolist(), strict=True):
        block[start : start + len(SPIKE), channel] += SPIKE.astype(np.float32)
