"""A marker stream in: text or numbers, as events with corrected stamps."""

from __future__ import annotations

import pylsl

from streamkit.errors import StreamError, StreamLost
from streamkit.lsl.discovery import full_info, spec_from
from streamkit.lsl.inlet import ClockOffset, subscribe
from streamkit.types import Event, label_of

_BUFFER = 3600  # liblsl counts hundreds of samples for irregular streams
_MOST_MARKERS = 256


class MarkerInlet:
    """One marker stream.

    Parameters
    ----------
    info
        A resolved irregular stream of one channel, text or numeric.
    timeout
        Seconds to wait for the full description.
    recover
        As for `streamkit.lsl.inlet.SignalInlet`.

    Attributes
    ----------
    spec
        What the stream says about itself.
    header
        The same as the XML document that it sent.

    Raises
    ------
    StreamLost
        When the source does not answer.
    StreamError
        When the stream has more than one channel.
    """

    def __init__(self, info: pylsl.StreamInfo, timeout: float = 5.0, *, recover: bool = True) -> None:
        if info.channel_count() != 1:
            raise StreamError(
                f"stream {info.name()!r} has {info.channel_count()} channels; a marker stream has exactly one"
            )
        self._lsl = pylsl.StreamInlet(info, max_buflen=_BUFFER, recover=recover, as_numpy=True)
        full = full_info(self._lsl, info, timeout)
        self.spec, self.header = spec_from(full), full.as_xml()
        self._offset = ClockOffset(self._lsl, self.spec.hostname)

    def open(self, timeout: float = 5.0) -> None:
        """Subscribe; from here on no marker is missed (StreamLost when the source does not accept in time)."""
        subscribe(self._lsl, self.spec, self._offset, timeout)

    def pull(self, timeout: float = 0.0) -> list[Event]:
        """Return the markers that have come since the last call; waits up to `timeout` seconds for one.

        Raises
        ------
        StreamLost
            When the source is gone for good.
        """
        if timeout == 0.0 and not self._lsl.samples_available():
            return []
        try:
            values, stamps = self._lsl.pull_chunk(timeout, max_samples=_MOST_MARKERS, min_samples=1)
        except pylsl.util.LostError as error:
            raise StreamLost(f"marker stream {self.spec.name!r} went away for good") from error
        offset = self._offset(pylsl.local_clock())
        return [
            Event(text_of(value), stamp + offset, self.spec.name, value, stamp)
            for (value,), stamp in zip(values.tolist(), stamps.tolist(), strict=True)
        ]

    @property
    def clock_offset(self) -> float:
        """Seconds added to stamps as sent, as last measured."""
        return self._offset.value

    def close(self) -> None:
        """Unsubscribe; markers not yet pulled are dropped."""
        self._lsl.close_stream()


def text_of(value: bytes | float) -> str:
    """Label of one marker; text is UTF-8, and what is not is replaced, as in a file that is read."""
    return label_of(value.decode("utf-8", "replace") if isinstance(value, bytes) else value)
