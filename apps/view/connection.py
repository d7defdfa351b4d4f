"""One stream being watched: opened off the drawing thread, then emptied without ever waiting."""

from __future__ import annotations

import socket
import threading

import numpy as np
import pylsl
from numpy.typing import NDArray

from streamkit.lsl.discovery import spec_from
from streamkit.types import Stamps, StreamSpec

OPEN_TIMEOUT_S = 5.0
MAX_SAMPLES = 2**15
MAX_VALUES = 2**22


class Connection:
    """An inlet that leaks its oldest samples when nobody empties it.

    Opening asks the source for its description and clock offset, which may block, so a thread does it and ends.
    From then on `pull` takes what liblsl has buffered, in the caller's thread, and returns at once.

    Parameters
    ----------
    info
        The stream as the network announces it.
    buffer
        Seconds of a regular stream (hundreds of samples of an irregular one) that liblsl keeps for us.

    Attributes
    ----------
    spec
        Everything the stream says about itself; None until it is open.
    numeric
        False for a stream of strings.
    lost
        True once the source is gone or never answered.
    """

    def __init__(self, info: pylsl.StreamInfo, buffer: int = 12) -> None:
        self.uid: str = info.uid()
        self.spec: StreamSpec | None = None
        self.lost = False
        self.numeric = info.channel_format() != pylsl.cf_string
        self._local = info.hostname() == socket.gethostname()
        self._max_samples = int(max(64, min(MAX_SAMPLES, MAX_VALUES // max(1, info.channel_count()))))
        self._inlet = pylsl.StreamInlet(info, max_buflen=buffer, recover=False)
        self._memory: NDArray[np.generic] | None = None
        self._thread = threading.Thread(target=self._open, daemon=True, name=f"open {info.name()}")
        self._thread.start()

    def wait(self, timeout: float) -> bool:
        """Wait until the stream is open or lost; True when it is open."""
        self._thread.join(timeout)
        return self.spec is not None

    def offset(self) -> float:
        """Seconds to add to the source's stamps; exactly 0 on this machine."""
        if self._local:
            return 0.0
        try:
            return float(self._inlet.time_correction(0.0))
        except (RuntimeError, TimeoutError):
            return 0.0

    def pull_numbers(self) -> tuple[NDArray[np.generic], Stamps]:
        """Everything buffered as ``(n_times, n_chans)`` (valid until the next call) and corrected stamps."""
        if self._memory is None:
            shape = (self._max_samples, self._inlet.channel_count)
            self._memory = np.zeros(shape, self._inlet.np_dtype)
        stamps = self._pull(self._memory)
        return self._memory[: len(stamps)], stamps

    def pull_strings(self) -> list[tuple[str, float]]:
        """Everything buffered as text (the first channel) and corrected stamp."""
        try:
            rows, stamps = self._inlet.pull_chunk(0.0, 1024, as_numpy=True)
        except RuntimeError:
            self.lost = True
            return []
        offset = self.offset() if len(stamps) else 0.0
        return [(row[0].decode("utf-8", "replace"), float(t) + offset) for row, t in zip(rows, stamps, strict=True)]

    def close(self) -> None:
        """Let go of the stream, off the drawing thread: closing may wait for the network."""
        inlet = self._inlet
        threading.Thread(target=inlet.close_stream, daemon=True, name="close").start()
        self.lost = True

    def _pull(self, memory: NDArray[np.generic]) -> Stamps:
        try:
            _, stamps = self._inlet.pull_chunk(0.0, len(memory), dest_obj=memory)
        except RuntimeError:
            self.lost = True
            return np.empty(0)
        return np.asarray(stamps, float) + (self.offset() if len(stamps) else 0.0)

    def _open(self) -> None:
        try:
            info = self._inlet.info(OPEN_TIMEOUT_S)
            self._inlet.open_stream(OPEN_TIMEOUT_S)
            if not self._local:
                self._inlet.time_correction(OPEN_TIMEOUT_S)
            self.spec = spec_from(info)
        except (RuntimeError, TimeoutError):
            self.lost = True
