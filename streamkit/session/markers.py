"""The marker streams of a session: those that are there, those that join later, and no marker twice."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import pylsl

from streamkit.errors import StreamLost
from streamkit.lsl.discovery import predicate
from streamkit.lsl.lookout import Lookout
from streamkit.lsl.selection import are_related, await_markers, is_source, markers_of_host
from streamkit.lsl.supervised import SupervisedMarkers
from streamkit.recording.model import SAID
from streamkit.session.options import SessionOptions
from streamkit.types import Event, StreamSpec

REMEMBERED = 4096
"""Markers of which it is known that they came."""

logger = logging.getLogger(__name__)

T = TypeVar("T")


class MarkerStreams:
    """Every marker stream of a session.

    Parameters
    ----------
    options
        Which streams are meant.
    wanted
        Whether the session has any use for markers.
    required
        Whether it has none without them.

    Attributes
    ----------
    wanted
        As given.
    inlets
        In the order in which they came.
    needed
        Those of them without which nothing is decoded: the ones that were there from the beginning.
    """

    def __init__(self, options: SessionOptions, *, wanted: bool, required: bool) -> None:
        self._query, self.wanted, self._required = options.markers, wanted, required
        self.inlets: list[SupervisedMarkers] = []
        self.needed: list[SupervisedMarkers] = []
        self._sides: tuple[StreamSpec, ...] = ()
        self._lookouts: list[Lookout[SupervisedMarkers]] = []
        self._came: dict[tuple[int, str, float], None] = {}

    def find(self, signal: StreamSpec, sides: Sequence[StreamSpec], timeout: float, tick: Callable[[], None]) -> None:
        """Wait for the streams that go with `signal` and are none of `sides`.

        A stream that nobody named may be gone again when it is asked what it is: it is looked out for, as those are
        that appear later.

        Raises
        ------
        StreamNotFound
            As `await_markers` does.
        StreamLost
            When a stream that was named does not answer, or none does and one is required.
        """
        self._sides = tuple(sides)
        if self.wanted:
            found = await_markers(self._query, signal, timeout, tick, required=self._required)
            markers = [info for info in found if not any(is_source(info, spec) for spec in sides)]
            self.inlets = self._answering(markers, SupervisedMarkers)
            self.needed = list(self.inlets) if self._required else []

    def open(self, signal: StreamSpec) -> None:
        """Subscribe, and look out for further streams of the kind; StreamLost as `find` raises it."""
        self.inlets = self._answering(self.inlets, subscribed)
        self.needed = [inlet for inlet in self.needed if inlet in self.inlets]
        known = [*self._sides, *(inlet.spec for inlet in self.inlets)]
        for condition in self._conditions(signal):
            lookout = Lookout(condition, self._joining(signal), known)
            lookout.start()
            self._lookouts.append(lookout)

    def join(self) -> None:
        """Take in the streams that have appeared since the last call; never waits."""
        for lookout in self._lookouts:
            self.inlets += lookout.take()

    def pull(self) -> Iterator[tuple[int, Event, bool]]:
        """Markers that have come: number of the stream, event, and whether it came before; never waits."""
        for number, inlet in enumerate(self.inlets):
            for event in inlet.pull():
                yield number, event, self._came_before(number, event)

    def close(self) -> None:
        """Unsubscribe from all."""
        for lookout in self._lookouts:
            lookout.stop()
        for inlet in self.inlets:
            inlet.close()

    def _answering(self, streams: Sequence[T], ask: Callable[[T], SupervisedMarkers]) -> list[SupervisedMarkers]:
        """What `ask` makes of the streams that answer."""
        inlets: list[SupervisedMarkers] = []
        lost: StreamLost | None = None
        for stream in streams:
            try:
                inlets.append(ask(stream))
            except StreamLost as error:
                if self._query is not None:
                    raise
                lost = error
                logger.warning("%s; the session begins without its markers, and takes them when it answers", error)
        if lost is not None and self._required and not inlets:
            raise lost
        return inlets

    def _came_before(self, number: int, event: Event) -> bool:
        """Whether this stream sent this label with this stamp before; a source that comes back may repeat itself."""
        key = (number, event.label, event.stamp if math.isnan(event.raw_stamp) else event.raw_stamp)
        if key in self._came:
            return True
        self._came[key] = None
        if len(self._came) > REMEMBERED:
            del self._came[next(iter(self._came))]
        return False

    def _conditions(self, signal: StreamSpec) -> list[str]:
        if not self.wanted:
            return []
        if self._query is None:
            return [predicate(markers_of_host(signal), "markers")]
        return [predicate(query) for query in ([self._query] if isinstance(self._query, str) else self._query)]

    def _joining(self, signal: StreamSpec) -> Callable[[pylsl.StreamInfo], SupervisedMarkers | None]:
        related = self._query is None and any(are_related(inlet.spec.source_id, signal) for inlet in self.inlets)

        def connect(info: pylsl.StreamInfo) -> SupervisedMarkers | None:
            is_marker = info.channel_count() == 1 and info.nominal_srate() == 0 and info.type() not in SAID
            if not is_marker or (related and not are_related(info.source_id(), signal)):
                return None
            return subscribed(SupervisedMarkers(info))

        return connect


def subscribed(inlet: SupervisedMarkers) -> SupervisedMarkers:
    """The inlet, open; StreamLost where its source does not accept."""
    inlet.open()
    return inlet
