"""A stream of any format, values and stamps exactly as they were sent, from a source that may go away and come back."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import shorten
from typing import Any

import numpy as np
import pylsl
from numpy.typing import NDArray

from streamkit.errors import ContractMismatch, StreamLost
from streamkit.lsl.discovery import full_info, spec_from
from streamkit.lsl.inlet import ClockOffset, subscribe
from streamkit.lsl.supervised import OPEN_S, Supervised
from streamkit.types import Stamps, StreamSpec

BUFFER_S = 360
MOST_VALUES = 1 << 18
CLOCK_TIMEOUT_S = 2.0

Samples = tuple[NDArray[Any], Stamps]
"""``(n_times, n_chans)`` in the stream's own format, text as bytes; ``(n_times,)`` stamps as sent."""


class RawInlet:
    """One connection to a stream.

    Parameters
    ----------
    info
        A resolved stream of any format.
    timeout
        Seconds to wait for the full description.

    Raises
    ------
    StreamLost
        When the source does not answer.
    """

    def __init__(self, info: pylsl.StreamInfo, timeout: float = OPEN_S) -> None:
        self._lsl = pylsl.StreamInlet(info, max_buflen=BUFFER_S, recover=False, as_numpy=True)
        full = full_info(self._lsl, info, timeout)
        self.spec, self.header = spec_from(full), full.as_xml()
        self._offset = ClockOffset(self._lsl, self.spec.hostname)
        self._most = max(1, min(1024, MOST_VALUES // self.spec.n_chans))

    def open(self, timeout: float = OPEN_S) -> None:
        """Subscribe; from here on no sample is missed (StreamLost when the source does not accept in time)."""
        subscribe(self._lsl, self.spec, self._offset, timeout)

    def pull(self, timeout: float) -> Samples:
        """Wait up to `timeout` seconds for one sample, then take all that are there.

        Raises
        ------
        StreamLost
            When the source is gone and nothing came before it went.
        """
        parts: list[Samples] = []
        try:
            for most, wait in ((1, timeout), (self._most, 0.0)):
                parts.append(self._lsl.pull_chunk(wait, max_samples=most))
                if len(parts[-1][1]) == 0:
                    break
        except pylsl.util.LostError as error:
            if not parts:
                raise StreamLost(f"stream {self.spec.name!r} on {self.spec.hostname} went away") from error
        values, stamps = zip(*parts, strict=True)
        return np.concatenate(values), np.concatenate(stamps)

    @property
    def clock_offset(self) -> float:
        """Seconds added to stamps as sent, as last measured."""
        return self._offset.value

    def measure(self) -> float | None:
        """Measure the clock offset anew, exactly 0 on this machine; None where it cannot be had in time."""
        try:
            return 0.0 if self._offset.local else float(self._lsl.time_correction(CLOCK_TIMEOUT_S))
        except RuntimeError:
            return None

    def close(self) -> None:
        """Unsubscribe; samples not yet pulled are dropped."""
        self._lsl.close_stream()


class SupervisedRaw(Supervised[RawInlet]):
    """A `RawInlet` that outlives its source: what comes back as it was goes on, anything else is refused.

    Parameters
    ----------
    info, timeout
        As `RawInlet` takes them.
    on_change
        Called with a sentence whenever the source goes away, comes back or is refused.
    """

    def __init__(
        self, info: pylsl.StreamInfo, timeout: float = OPEN_S, on_change: Callable[[str], None] = lambda _: None
    ) -> None:
        def again(info: pylsl.StreamInfo, first: RawInlet) -> RawInlet:
            inlet = RawInlet(info, timeout)
            check_same(first.spec, inlet.spec)
            return inlet

        super().__init__(RawInlet(info, timeout), info.uid(), again)
        self._on_change = on_change
        self._said = ("", 0)

    def pull(self, timeout: float) -> Samples:
        """As `RawInlet.pull`; nothing while the source is away."""
        if self._broken and not self._returns(timeout):
            self._say()
            return self._nothing()
        self._say()
        try:
            values, stamps = self._inlet.pull(timeout)
        except StreamLost:
            self._lose("stream")
            self._say()
            return self._nothing()
        self._listen(len(stamps))
        self._say()
        return values, stamps

    def measure(self) -> float | None:
        """As `RawInlet.measure`; None while the source is away."""
        return None if self._broken else self._inlet.measure()

    def _nothing(self) -> Samples:
        return np.zeros((0, self.spec.n_chans)), np.zeros(0)

    def _say(self) -> None:
        said = (self.message, self.counts["returned"])
        if said != self._said:
            self._said = said
            self._on_change(self.message or f"stream {self.spec.name!r} came back; its recording goes on")


def check_same(before: StreamSpec, found: StreamSpec) -> None:
    """Refuse a stream whose samples cannot go on under the header of `before`.

    Raises
    ------
    ContractMismatch
        With a line per difference.
    """
    lines = tuple(
        f"{what}: expected {was}, the stream has {now}"
        for what, was, now in (
            ("number of channels", before.n_chans, found.n_chans),
            ("channels", shorten(", ".join(before.ch_names), 200), shorten(", ".join(found.ch_names), 200)),
            ("format", before.channel_format, found.channel_format),
            ("rate", f"{before.sfreq:g} Hz", f"{found.sfreq:g} Hz"),
            ("unit", before.unit or "none", found.unit or "none"),
        )
        if was != now
    )
    if lines:
        raise ContractMismatch(
            f"stream {found.name!r} came back as something else and is not recorded; start it again as it was, or "
            "make a new recording:",
            lines,
        )
