"""Inlets that outlive their source: what goes away is looked for, checked on return, and goes on where it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Literal, Protocol, TypeVar

import numpy as np
import pylsl

from streamkit.errors import ContractMismatch, StreamkitError, StreamLost
from streamkit.lsl.contract import check_return
from streamkit.lsl.discovery import same_source
from streamkit.lsl.inlet import SignalInlet
from streamkit.lsl.markers import MarkerInlet
from streamkit.lsl.search import Search, Watch
from streamkit.ring import RingBuffer
from streamkit.timeline import Timeline
from streamkit.types import Chunk, Event, StreamSpec

InletState = Literal["live", "lost", "refused"]

SILENT_S = 2.0
"""A stream silent for so long is looked for under a new uid: a computer that lost its power closes no connection."""

OPEN_S = 5.0


class _Inlet(Protocol):
    spec: StreamSpec
    header: str

    @property
    def clock_offset(self) -> float: ...
    def open(self, timeout: float = ...) -> None: ...
    def close(self) -> None: ...


T = TypeVar("T", bound=_Inlet)


class Supervised(Generic[T]):
    """What supervised inlets share: the inlet of the moment, and the search for the next.

    Parameters
    ----------
    inlet
        The first one, made with ``recover=False``.
    uid
        Of the stream it is connected to.
    again
        Makes the inlet that goes on for the first; raises ContractMismatch when the stream is another.
    clock
        Seconds on the LSL clock.

    Attributes
    ----------
    state
        ``"live"``; ``"lost"`` while the source is away; ``"refused"`` while something else answers in its place.
    message
        Why it is not live; empty when it is.
    counts
        ``lost``: how often the source went away; ``returned``: how often it came back; ``refused``: how many
        streams that came in its place did not fit.
    """

    def __init__(
        self,
        inlet: T,
        uid: str,
        again: Callable[[pylsl.StreamInfo, T], T],
        clock: Callable[[], float] = pylsl.local_clock,
    ) -> None:
        self.state: InletState = "live"
        self.message = ""
        self.counts = {"lost": 0, "returned": 0, "refused": 0}
        self._first = self._inlet = inlet
        self._uid, self._again, self._clock = uid, again, clock
        self._heard = clock()
        self._broken, self._lost = False, ""
        self._refusal: ContractMismatch | None = None
        self._search: Search[_Returned[T]] | None = None

    @property
    def spec(self) -> StreamSpec:
        """What the stream said about itself when it was first found."""
        return self._first.spec

    @property
    def header(self) -> str:
        """The same as the XML document of the present connection."""
        return self._inlet.header

    @property
    def clock_offset(self) -> float:
        """Seconds added to stamps as sent, as last measured."""
        return self._inlet.clock_offset

    @property
    def error(self) -> StreamkitError | None:
        """What is the matter, as the error a session that ends now ends with; None while all is well."""
        if self.state == "refused" and self._refusal is not None:
            return self._refusal
        return StreamLost(self.message) if self.state == "lost" else None

    def open(self, timeout: float = OPEN_S) -> None:
        """Subscribe; StreamLost when the source does not accept within `timeout` seconds."""
        self._inlet.open(timeout)

    def close(self) -> None:
        """Unsubscribe and stop looking."""
        self._stop_search(wait=True)
        self._inlet.close()

    def _lose(self, what: str) -> None:
        """Begin to look for the source."""
        self.counts["lost"] += 1
        self.state, self._broken = "lost", True
        spec = self.spec
        wanted = f"source id {spec.source_id!r}" if spec.source_id else "the same name, type and host"
        self._lost = f"{what} {spec.name!r} on {spec.hostname} went away; waiting for a stream with {wanted}"
        self.message = self._lost
        self._inlet.close()
        self._stop_search()
        self._look(same_source(spec))

    def _look(self, condition: str) -> None:
        self._search = Search(condition, self._connect)

    def _connect(self, info: pylsl.StreamInfo) -> _Returned[T]:
        inlet = self._again(info, self._first)
        inlet.open(OPEN_S)
        return _Returned(inlet, info.uid())

    def _returns(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds for the source; True when a new inlet has taken over."""
        search = self._search
        if search is None:
            return False
        returned = search.wait(timeout)
        if returned is not None:
            self._take_over(returned)
            return True
        if search.refusal is not None and search.refusal is not self._refusal:
            self._refusal, self.message = search.refusal, str(search.refusal)
            self.state = "refused"
            self.counts["refused"] += 1
        elif search.problem and self.state == "lost":
            self.message = f"{self._lost}. One answers and cannot be opened: {search.problem}"
        return False

    def _take_over(self, returned: _Returned[T]) -> None:
        self._stop_search()
        self._inlet.close()
        self._inlet, self._uid = returned.inlet, returned.uid
        self._recover()
        self._heard = self._clock()
        self.counts["returned"] += 1

    def _listen(self, n_times: int) -> None:
        """Look for a silent source under a new uid."""
        if not self.spec.sfreq:
            self._watch(n_times)
        elif n_times:
            self._heard = self._clock()
            if self._search is not None:  # it was alive after all
                self._stop_search()
                self._recover()
        elif self._search is not None:
            self._returns(0.0)
        elif self._silent():
            self._look(f"{same_source(self.spec)} and uid!='{self._uid}'")

    def _watch(self, n_times: int) -> None:
        """The same for a source without a rate, whose silence alone means nothing; one watch lasts for all silences."""
        if n_times:
            self._heard = self._clock()
            if self._search is not None and self._search.has_news:  # it was alive after all
                self._stop_search()
            if self.state != "live":
                self._recover()
        elif self._search is None:
            if self._silent():
                condition = same_source(self.spec, "name", "type")
                self._search = Watch(condition, self._connect, self._uid, self._silent)
        elif self._search.has_news and self._silent():
            self._returns(0.0)

    def _silent(self) -> bool:
        """Whether nothing has come for longer than a source that is well can pause, as far as that is known."""
        return self._clock() - self._heard > max(SILENT_S, 10 / self.spec.sfreq if self.spec.sfreq else 0.0)

    def _recover(self) -> None:
        self.state, self.message, self._refusal, self._broken = "live", "", None, False

    def _stop_search(self, wait: bool = False) -> None:
        if self._search is not None:
            self._search.stop(wait)
            self._search = None


class _Returned(Generic[T]):
    def __init__(self, inlet: T, uid: str) -> None:
        self.inlet, self.uid = inlet, uid

    def close(self) -> None:
        self.inlet.close()


class SupervisedSignal(Supervised[SignalInlet]):
    """A `SignalInlet` that never ends: the same ring and sample index, whatever the source does.

    Parameters
    ----------
    info, buffer, timeout
        As `SignalInlet` takes them.
    clock
        Seconds on the LSL clock.

    Notes
    -----
    The first sample after a return carries ``gap=True``. A stream that comes back must have the channels (more, or
    another order, are allowed), rate and unit it had; anything else is refused, and looked past. Samples that had
    come and not been pulled when the connection broke are lost with it: liblsl gives them to nobody.
    """

    def __init__(
        self,
        info: pylsl.StreamInfo,
        buffer: float | None = None,
        timeout: float = OPEN_S,
        clock: Callable[[], float] = pylsl.local_clock,
    ) -> None:
        def again(info: pylsl.StreamInfo, first: SignalInlet) -> SignalInlet:
            return SignalInlet(info, buffer, timeout, recover=False, after=first)

        super().__init__(SignalInlet(info, buffer, timeout, recover=False), info.uid(), again, clock)

    @property
    def ring(self) -> RingBuffer:
        """The raw samples as they came; the same ring for ever."""
        return self._inlet.ring

    @property
    def timeline(self) -> Timeline:
        """What corrects the stamps; the same for ever."""
        return self._inlet.timeline

    @property
    def clock_steps(self) -> int:
        """How often the clock of the present source has stepped against this machine's."""
        return self._inlet.clock_steps

    @property
    def backlog(self) -> int:
        """Samples that have come and not been pulled yet."""
        return self._inlet.backlog if not self._broken else 0

    def pull(self, timeout: float) -> Chunk:
        """As `SignalInlet.pull`; a source that is away gives an empty chunk and is said in `state`. Never raises."""
        if self._broken and not self._returns(timeout):
            return self._nothing()
        try:
            chunk = self._inlet.pull(timeout)
        except StreamLost:
            self._lose("stream")
            return self._nothing()
        self._listen(len(chunk))
        return chunk

    def _take_over(self, returned: _Returned[SignalInlet]) -> None:
        super()._take_over(returned)
        self.timeline.interrupt()

    def _nothing(self) -> Chunk:
        none = np.zeros(0)
        data = self.ring.reserve(0)
        return Chunk(data, none, self.ring.written, raw_stamps=none, arrival=self._clock())


class SupervisedMarkers(Supervised[MarkerInlet]):
    """A `MarkerInlet` that never ends.

    Parameters
    ----------
    info, timeout
        As `MarkerInlet` takes them.

    Notes
    -----
    As for `SupervisedSignal`, markers that were not pulled when the connection broke are lost.
    """

    def __init__(self, info: pylsl.StreamInfo, timeout: float = OPEN_S) -> None:
        def again(info: pylsl.StreamInfo, first: MarkerInlet) -> MarkerInlet:
            inlet = MarkerInlet(info, timeout, recover=False)
            check_return(first.spec, inlet.spec)
            return inlet

        super().__init__(MarkerInlet(info, timeout, recover=False), info.uid(), again)

    def pull(self, timeout: float = 0.0) -> list[Event]:
        """As `MarkerInlet.pull`; a source that is away gives no events and is said in `state`. Never raises."""
        if self._broken and not self._returns(timeout):
            return []
        try:
            events = self._inlet.pull(timeout)
        except StreamLost:
            self._lose("marker stream")
            return []
        self._listen(len(events))
        return events
