"""RingBuffer: one writer, many reading cursors, contiguous zero-copy windows.

Every sample is stored twice, `capacity` rows apart, so any run of up to `capacity` samples is one
contiguous view. Reading and writing cost the same however long the buffer is.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from streamkit.errors import OverrunError
from streamkit.types import Chunk, FloatArray, Mask, Stamps

OnOverrun = Literal["raise", "skip"]


class RingBuffer:
    """The newest `capacity` samples of one stream, with raw and corrected stamps and what is known about each.

    Parameters
    ----------
    capacity
        Number of samples kept.
    n_chans
        Number of channels.
    dtype
        Type of the stored samples.

    Notes
    -----
    Views returned by `view` and by cursors stay correct until `capacity` minus their length further
    samples have been written; a caller that keeps them longer copies them.
    """

    def __init__(self, capacity: int, n_chans: int, dtype: DTypeLike = np.float32) -> None:
        if capacity < 1 or n_chans < 1:
            raise ValueError(f"capacity and n_chans must be at least 1, got {capacity} and {n_chans}")
        self.capacity = capacity
        self.n_chans = n_chans
        self.written = 0
        # Filled, not `np.zeros`: the system hands out pages when they are first touched, 1 to 5 microseconds each,
        # and a fast stream would wait for that during its whole first lap.
        self._data: NDArray[Any] = np.full((2 * capacity, n_chans), 0, dtype)
        self._stamps: Stamps = np.full(2 * capacity, np.nan)
        self._raw: Stamps = np.full(2 * capacity, np.nan)
        self._valid = _Flags(capacity, usual=True)
        self._gap = _Flags(capacity, usual=False)
        self._duplicate = _Flags(capacity, usual=False)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the stored samples."""
        return self._data.dtype

    @property
    def oldest(self) -> int:
        """Sample index of the oldest sample still held."""
        return max(0, self.written - self.capacity)

    def reserve(self, n_times: int) -> NDArray[Any]:
        """Contiguous ``(n_times, n_chans)`` memory for the next samples, to be filled and then committed.

        The oldest samples it overlays are lost as soon as it is filled.
        """
        if n_times > self.capacity:
            raise ValueError(f"cannot reserve {n_times} samples in a ring of {self.capacity}")
        at = self.written % self.capacity
        return self._data[at : at + n_times]

    def commit(
        self,
        stamps: Stamps,
        valid: Mask | None = None,
        gap: Mask | None = None,
        duplicate: Mask | None = None,
        raw: Stamps | None = None,
    ) -> int:
        """Make the first ``len(stamps)`` reserved samples readable; returns the index of the first.

        Parameters
        ----------
        stamps
            ``(n_times,)`` corrected stamps.
        valid, gap, duplicate
            As in `Chunk`; None for nothing unusual.
        raw
            ``(n_times,)`` stamps as the source sent them; None when they are the corrected ones.
        """
        n_times = len(stamps)
        if n_times > self.capacity:
            raise ValueError(f"cannot commit {n_times} samples to a ring of {self.capacity}")
        first = self.written
        at = first % self.capacity
        self._stamps[at : at + n_times] = stamps
        self._raw[at : at + n_times] = stamps if raw is None else raw
        for array in (self._data, self._stamps, self._raw):
            _mirror(array, self.capacity, at, n_times)
        self._valid.put(valid, first, n_times)
        self._gap.put(gap, first, n_times)
        self._duplicate.put(duplicate, first, n_times)
        self.written += n_times
        return first

    def write(self, chunk: Chunk) -> int:
        """Append a chunk of any length; returns the sample index given to its last `capacity` samples' first."""
        skipped = max(0, len(chunk) - self.capacity)
        self.written += skipped
        kept = slice(skipped, None)
        self.reserve(len(chunk) - skipped)[:] = chunk.data[kept]
        valid, gap, duplicate = (None if m is None else m[kept] for m in (chunk.valid, chunk.gap, chunk.duplicate))
        raw = None if chunk.raw_stamps is None else chunk.raw_stamps[kept]
        return self.commit(chunk.stamps[kept], valid, gap, duplicate, raw)

    def view(self, first: int, n_times: int) -> Chunk:
        """Samples `first` to ``first + n_times`` as one zero-copy chunk.

        Raises
        ------
        OverrunError
            When some of them are overwritten or not yet written.
        """
        if first < self.oldest or first + n_times > self.written:
            raise OverrunError(
                f"samples {first} to {first + n_times} were asked for, but the ring holds "
                f"{self.oldest} to {self.written}; use a longer buffer or read sooner"
            )
        at = first % self.capacity
        part = slice(at, at + n_times)
        return Chunk(
            self._data[part],
            self._stamps[part],
            first,
            self._valid.array[part],
            self._gap.array[part],
            self._raw[part],
            duplicate=self._duplicate.array[part],
        )

    def invalidate(self, first: int) -> None:
        """Mark the samples from index `first` to the newest as invalid, as far as they are held."""
        self._valid.mark(max(first, self.oldest), self.written)

    def cursor(self, on_overrun: OnOverrun = "raise") -> Cursor:
        """Return a new independent reader that starts at the next sample written."""
        return Cursor(self, on_overrun)


class _Flags:
    """One flag per sample of a ring, nearly always the usual one: then nothing is written at all."""

    def __init__(self, capacity: int, *, usual: bool) -> None:
        self.array: Mask = np.full(2 * capacity, usual)
        self._capacity = capacity
        self._usual = usual
        self._stale = 0  # how many samples from the next one on may lie over an unusual flag

    def put(self, flags: Mask | None, first: int, n_times: int) -> None:
        usual = flags is None or (flags.all() if self._usual else not flags.any())
        if usual and not self._stale:
            return
        at = first % self._capacity
        self.array[at : at + n_times] = self._usual if usual else flags
        _mirror(self.array, self._capacity, at, n_times)
        self._stale = max(0, self._stale - n_times) if usual else self._capacity

    def mark(self, first: int, stop: int) -> None:
        """Make the flags of samples written before unusual."""
        rows = np.arange(first, stop) % self._capacity
        self.array[rows] = self.array[rows + self._capacity] = not self._usual
        self._stale = self._capacity


def _mirror(array: FloatArray | Mask, capacity: int, at: int, n_times: int) -> None:
    wrapped = max(0, at + n_times - capacity)
    upper = capacity + at
    array[upper : upper + n_times - wrapped] = array[at : at + n_times - wrapped]
    if wrapped:
        array[:wrapped] = array[capacity : capacity + wrapped]


class Cursor:
    """One reader's place in a ring.

    Attributes
    ----------
    position
        Index of the next sample to read.
    lost
        Samples overwritten before this reader came for them (only with ``on_overrun="skip"``).
    """

    def __init__(self, ring: RingBuffer, on_overrun: OnOverrun) -> None:
        self._ring = ring
        self._on_overrun = on_overrun
        self.position = ring.written
        self.lost = 0

    @property
    def available(self) -> int:
        """Number of samples written and not yet read."""
        return self._ring.written - self.position

    def read(self, n_times: int | None = None) -> Chunk:
        """Up to `n_times` unread samples (all by default) as one zero-copy chunk, and advance.

        Raises
        ------
        OverrunError
            When unread samples were overwritten and the policy is ``"raise"``.
        """
        missing = self._ring.oldest - self.position
        if missing > 0:
            if self._on_overrun == "raise":
                raise OverrunError(
                    f"this reader fell behind: {missing} samples were overwritten before it read them; "
                    "use a longer buffer, read more often, or choose on_overrun='skip'"
                )
            self.lost += missing
            self.position = self._ring.oldest
        n_read = self.available if n_times is None else min(n_times, self.available)
        chunk = self._ring.view(self.position, n_read)
        self.position += n_read
        return chunk
