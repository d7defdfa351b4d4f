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
    on_warning
        Called with every new warning, on the thread that gives it.

    Attributes
    ----------
    facts
        What else is to be known, by topic; see `tell`.
    warnings
        What is not as it should be although decoding goes on; one line each.
    """

    def __init__(
        self, clock: Callable[[], float] = pylsl.local_clock, on_warning: Callable[[str], None] | None = None
    ) -> None:
        self._clock = clock
        self._on_warning = on_warning
        self.stall_after = STALL_S
        self.state: State = "searching"
        self.message = ""
        self.since = self._last_sample = clock()
        self.facts: dict[str, Any] = {}
        self.warnings: list[str] = []

    def tell(self, **facts: Any) -> None:
        """Put facts (JSON values) into every report from now on, under their topics."""
        self.facts = self.facts | facts

    def warn(self, line: str) -> None:
        """Say once, at once, what is not as it should be; may be called from any thread."""
        if line in self.warnings:
            return
        self.warnings.append(line)
        if self._on_warning is not None:
            self._on_warning(line)

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
        report = {"state": self.state, "since": self.since, "message": self.message, "counts": dict(counts)}
        return report | ({"warnings": list(self.warnings)} if self.warnings else {}) | self.facts


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

    Attributes
    ----------
    on_publish
        Called with every published report and its stamp.
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
        self._published: tuple[State, float, int] | None = None
        self.on_publish: Callable[[dict[str, Any], float], None] | None = None
        self._due = clock()

    def tick(self, counts: Mapping[str, int]) -> bool:
        """Publish if the state changed, there is a new warning or a second has passed; whether it did."""
        now, state = self._clock(), (self._health.state, self._health.since, len(self._health.warnings))
        if now < self._due and state == self._published:
            return False
        report = self._health.report(counts)
        self.outlet.push(report, now)
        if self.on_publish is not None:
            self.on_publish(report, now)
        self._published, self._due = state, now + PERIOD_S
        return True
