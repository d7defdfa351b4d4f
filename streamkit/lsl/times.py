"""What is known about the time of a live stream: for its health report, and in words where it is not as declared."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

import pylsl

from streamkit.lsl.health import PERIOD_S, Health
from streamkit.ring import RingBuffer
from streamkit.timeline import Timeline, effective_rate
from streamkit.types import StreamSpec

RATE_OFF = 0.005
"""A rate that is off by more than this share of the declared one is worth a word."""

RATE_SPAN_S = 10.0

_LEAST_SPAN_S = 5.0


class _Timed(Protocol):
    """What `TimeReport` needs of an inlet (`SignalInlet` and `SupervisedSignal` have it)."""

    @property
    def spec(self) -> StreamSpec: ...
    @property
    def ring(self) -> RingBuffer: ...
    @property
    def timeline(self) -> Timeline: ...
    @property
    def clock_offset(self) -> float: ...
    @property
    def clock_steps(self) -> int: ...


class TimeReport:
    """Reads an inlet's time; to be called now and then on the thread that pulls.

    Parameters
    ----------
    signal
        The inlet.
    clock
        Seconds on the LSL clock.
    """

    def __init__(self, signal: _Timed, clock: Callable[[], float] = pylsl.local_clock) -> None:
        self._signal, self._clock = signal, clock
        self._said: set[str] = set()
        self._due = clock() + PERIOD_S

    def tick(self, health: Health) -> None:
        """Once a second, put what is known under ``time`` in the health report, and warn of what is wrong."""
        if self._clock() < self._due:
            return
        self._due = self._clock() + PERIOD_S
        facts = self.facts()
        health.tell(time=facts)
        for line in self.warnings(facts):
            health.warn(line)

    def effective_sfreq(self) -> float | None:
        """Rate over the last ten seconds, in Hz of the recording where a replay is faster; None until it is known."""
        ring, timeline = self._signal.ring, self._signal.timeline
        stamps_per_s = timeline.sfreq * timeline.speed
        held = min(ring.written, ring.capacity // 2, math.ceil(RATE_SPAN_S * stamps_per_s))
        if not stamps_per_s or held < _LEAST_SPAN_S * stamps_per_s:
            return None
        rate = effective_rate(ring.view(ring.written - held, held), timeline.period) / timeline.speed
        return rate if math.isfinite(rate) else None

    def facts(self) -> dict[str, Any]:
        """Return what the health report says about time: rates in Hz, counts, the clock's offset in seconds."""
        rate = self.effective_sfreq()
        return {
            "nominal_sfreq": self._signal.spec.sfreq,
            "effective_sfreq": None if rate is None else round(rate, 4),
            **self._signal.timeline.counts,
            "clock_offset": self._signal.clock_offset,
            "clock_steps": self._signal.clock_steps,
        }

    def warnings(self, facts: dict[str, Any]) -> list[str]:
        """Say what is wrong by `facts`, each kind of trouble once."""
        found = {}
        nominal, rate = facts["nominal_sfreq"], facts["effective_sfreq"]
        if nominal and rate and abs(rate / nominal - 1) > RATE_OFF:
            off = 100 * (rate / nominal - 1)
            found["rate"] = f"the stream declares {nominal:g} Hz but runs at {rate:.2f} Hz ({off:+.1f} %)"
        if facts["backward"]:
            found["backward"] = (
                "the clock that stamps the stream was set back; stamps go on where they were, and markers stamped "
                "by that clock no longer match"
            )
        if facts["clock_steps"]:
            found["clock"] = (
                f"the clock of {self._signal.spec.hostname} has jumped against this computer's; "
                "stamps around the jump are uncertain"
            )
        lines = [line for kind, line in found.items() if kind not in self._said]
        self._said |= set(found)
        return lines
