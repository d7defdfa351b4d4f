"""Is it going well? One state, since when, and why; published on every change and once a second."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import pylsl

from streamkit.lsl import wire
from streamkit.lsl.outlet import TextOutlet

State = Literal["searching", "connecting", "live", "stalled", "lost", "refused", "stopped", "failed"]

STALL_S = 0.5
"""A stream that sends nothing for longer than this (or than 2.5 samples, if that is more) is stalled."""

PERIOD_S = 1.0


class Health:
    """The state of a session and when it was entered.

    Parameters
    ----------
    clock
        Seconds on the LSL clock.
    """

    def __init__(self, clock: Callable[[], float] = pylsl.local_clock) -> None:
        self._clock = clock
        self.stall_after = STALL_S
        self.state: State = "searching"
        self.message = ""
        self.since = self._last_sample = clock()

    def enter(self, state: State, message: str = "") -> None:
        """Go to `state`; entering the same state again only changes the message."""
        if state != self.state:
            self.since = self._last_sample = self._clock()
        self.state, self.message = state, message

    def saw_samples(self, n_times: int) -> None:
        """Tell how many samples the last pull brought: nothing for too long is a stall, anything ends it."""
        if n_times:
            self._last_sample = self._clock()
            if self.state == "stalled":
                self.enter("live")
        elif self.state == "live" and self._clock() - self._last_sample > self.stall_after:
            self.enter("stalled", f"no sample for more than {self.stall_after:g} s")

    def report(self, counts: Mapping[str, int]) -> dict[str, Any]:
        """Return what the health stream says."""
        return {"state": self.state, "since": self.since, "message": self.message, "counts": dict(counts)}


class HealthPublisher:
    """The health stream of a session: one sample per change of state, and one a second.

    Parameters
    ----------
    health
        What to publish.
    name, source_id
        As LSL has them.
    keys
        Pairs below ``<streamkit>``.
    clock
        Seconds on the LSL clock.
    """

    def __init__(
        self,
        health: Health,
        name: str,
        source_id: str,
        keys: Mapping[str, Any] | None = None,
        clock: Callable[[], float] = pylsl.local_clock,
    ) -> None:
        self._health = health
        self._clock = clock
        self.outlet = TextOutlet(name, wire.TYPE_HEALTH, source_id, keys)
        self._published: tuple[State, float] | None = None
        self._due = clock()

    def tick(self, counts: Mapping[str, int]) -> bool:
        """Publish if the state changed or a second has passed; whether it did."""
        now, state = self._clock(), (self._health.state, self._health.since)
        if now < self._due and state == self._published:
            return False
        self.outlet.push(self._health.report(counts), now)
        self._published, self._due = state, now + PERIOD_S
        return True
