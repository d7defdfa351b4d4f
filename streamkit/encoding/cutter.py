"""EpochCutter: the recorded epochs of known stimuli, cut from processed samples when there is time for it."""

from __future__ import annotations

import dataclasses
from collections import deque

from streamkit.encoding.spec import EncodingSpec
from streamkit.preprocess import Windower
from streamkit.preprocess.sample_times import SampleTimes
from streamkit.types import Chunk, Event, StreamSpec, Window


class EpochCutter:
    """Takes note of samples and events at once, and cuts epochs when asked for them.

    What the decoder waits for is no more than a line in a list: the ring is written and the epochs are cut by `take`,
    after the answers have left.

    Parameters
    ----------
    spec
        The processed stream.
    encoding
        What an epoch is, and which labels have one.
    history, speed
        As `Windower` has them.

    Attributes
    ----------
    unknown
        Events whose label names no known stimulus.
    """

    def __init__(self, spec: StreamSpec, encoding: EncodingSpec, history: float = 30.0, speed: float = 1.0) -> None:
        self._windower = Windower(spec, encoding.window, history, speed)
        self._processed = SampleTimes(self._windower.capacity)
        self._known = frozenset(encoding.labels)
        self._noted: deque[tuple[Chunk, float] | Event | float] = deque()
        self.unknown = 0

    @property
    def counts(self) -> dict[str, int]:
        """What became of the epochs: ``epoch_gap``, ``epoch_late`` … as `Windower.counts`, and ``epoch_unknown``."""
        counts = {f"epoch_{name}": n for name, n in self._windower.counts.items() if name != "decoded"}
        return {"epochs": self._windower.counts["decoded"], **counts, "epoch_unknown": self.unknown}

    def samples(self, processed: Chunk, now: float) -> None:
        """Note processed samples, `now` being when they were."""
        if len(processed):
            self._noted.append((processed, now))

    def event(self, event: Event) -> None:
        """Note an event, if its label is known."""
        if event.label in self._known:
            self._noted.append(event)
        else:
            self.unknown += 1

    def invalidate(self, since: float) -> None:
        """Note that samples stamped `since` or later are invalid; see `Windower.invalidate`."""
        self._noted.append(since)

    def take(self) -> list[Window]:
        """Cut the epochs that are whole by now, in the order of their event's sample; they are the caller's."""
        windows: list[Window] = []
        while self._noted:
            windows += [self._owned(window) for window in self._digest(self._noted.popleft())]
        return windows

    def finish(self) -> list[Window]:
        """No more samples will come: the epochs that can still be resolved."""
        return self.take() + [self._owned(window) for window in self._windower.finish()]

    def _digest(self, noted: tuple[Chunk, float] | Event | float) -> list[Window]:
        if isinstance(noted, Event):
            return self._windower.push_event(noted)
        if isinstance(noted, float):
            self._windower.invalidate(noted)
            return []
        processed, now = noted
        before = self._windower.written
        windows = self._windower.push(processed)
        self._processed.extend(self._windower.written - before, now)
        return windows

    def _owned(self, window: Window) -> Window:
        """A copy that no later sample overwrites, with what is known of its time."""
        times = {"sample": window.stamp, "arrival": window.arrival, "processed": self._processed[window.last]}
        return dataclasses.replace(window.owned(), timing=window.timing | times)
