"""Is it going well? One state, since when, and why; published on every change and once a second."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Literal

import pylsl

from streamkit.lsl import wire
from streamkit.lsl.outlet import TextOutlet
from streamkit.lsl.watchdog import Watchdog

State = Literal["searching", "connecting", "live", "stalled", "lost", "refused", "stopped", "failed"]

PERIOD_S = 1.0

FROZEN_S = 1.0
"""A session that takes longer than this from one look at its inputs to the next has not been running."""

FROZEN = (
    "the session stood still for more than a second, because its process was suspended, the computer was busy or the "
    "model is too slow; it went on with what had come in the meantime"
)

_CHANGES_KEPT = 1000
_WATCHED = ("live", "connecting")


class Health:
    """The state of a session and when it was entered.

    Parameters
    ----------
    clock
        Seconds on the LSL clock.
    on_warning
        Called with every new warning, on the thread that gives it.
    on_state
        Called with every new state and its message, or the new message of the same state.

    Attributes
    ----------
    facts
        What else is to be known, by topic; see `tell`.
    warnings
        What is not as it should be although decoding goes on; one line each.
    changes
        The newest states entered, oldest first: state, stamp on the LSL clock, message.
    frozen
        How often the session stood still.
    watchdog
        Says when silence is a stall.
    """

    def __init__(
        self,
        clock: Callable[[], float] = pylsl.local_clock,
        on_warning: Callable[[str], None] | None = None,
        on_state: Callable[[str, str], None] | None = None,
    ) -> None:
        self._clock = clock
        self._on_warning, self._on_state = on_warning, on_state
        self.watchdog = Watchdog(clock=clock)
        self.state: State = "searching"
        self.message = ""
        self.since = self._turn = clock()
        self.changes: deque[tuple[State, float, str]] = deque([(self.state, self.since, "")], _CHANGES_KEPT)
        self.frozen = 0
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
        self._call(self._on_warning, line)

    def enter(self, state: State, message: str = "") -> None:
        """Go to `state`; entering the same state again only changes the message."""
        if state != self.state:
            self.since = self._turn = self._clock()
            if {state, self.state} != {"live", "stalled"}:
                self.watchdog.restart()
        new = (state, message) != (self.state, self.message)
        self.state, self.message = state, message
        if new:
            self.changes.append((state, self._clock(), message))
            self._call(self._on_state, state, message)

    def saw_samples(self, n_times: int, trouble: tuple[State, str] | None = None) -> None:
        """Tell what the last pull brought: nothing for too long is a stall, anything ends it.

        Parameters
        ----------
        n_times
            Samples of the stream that is decoded.
        trouble
            State and message of an input that is lost or refused; None when there is none.
        """
        self._look_at_turn()
        if n_times:
            self.watchdog.saw()
        if trouble is not None:
            self.enter(*trouble)
        elif n_times:
            self.enter("live")
        elif self.state in ("lost", "refused"):
            self.enter("connecting", "the source is back; waiting for its first sample")
        elif self.state in _WATCHED and self.watchdog.left <= 0:
            self.enter("stalled", f"no sample for more than {self.watchdog.limit:.3g} s, although still connected")

    def _call(self, listener: Callable[..., None] | None, *said: str) -> None:
        """A listener that fails (a terminal that is gone) stops neither decoding nor writing."""
        try:
            if listener is not None:
                listener(*said)
        except Exception as error:
            self.warnings.append(f"this could not be passed on ({type(error).__name__}: {error}): {' '.join(said)}")

    @property
    def patience(self) -> float:
        """Seconds that may be waited for a sample before a stall must be seen; infinite while there is none to see."""
        return max(0.0, self.watchdog.left) if self.state in _WATCHED else math.inf

    def _look_at_turn(self) -> None:
        now = self._clock()
        if now - self._turn > FROZEN_S:
            self.frozen += 1
            self.warn(FROZEN)
            self.watchdog.restart()  # it was us who did not listen
        self._turn = now

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
        self._published: tuple[object, ...] | None = None
        self.on_publish: Callable[[dict[str, Any], float], None] | None = None
        self._due = clock()

    @property
    def due(self) -> bool:
        """Whether `tick` would publish: state or message changed, there is a new warning or a second has passed."""
        return self._clock() >= self._due or self._now_said() != self._published

    def _now_said(self) -> tuple[object, ...]:
        return self._health.state, self._health.since, self._health.message, len(self._health.warnings)

    def tick(self, counts: Mapping[str, int]) -> bool:
        """Publish if it is `due`; whether it did."""
        if not self.due:
            return False
        now, said, report = self._clock(), self._now_said(), self._health.report(counts)
        self.outlet.push(report, now)
        if self.on_publish is not None:
            self.on_publish(report, now)
        self._published, self._due = said, now + PERIOD_S
        return True
