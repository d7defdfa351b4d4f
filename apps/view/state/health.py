"""HealthState: what the live session says about itself."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from apps.view.state.freshness import Freshness

MISSED = ("missed", "late", "no_sample", "incomplete", "overrun")
"""Counts that mean: this event should have been decoded and was not."""


@dataclass
class HealthState:
    """State of the session, and since when.

    Attributes
    ----------
    state
        ``searching connecting live stalled lost refused stopped failed``; empty when there is no session.
    warnings
        What the session says is not as it should be although it decodes.
    facts
        What the description of its predictions says of the session.
    backends
        What runs each graph, as the session says.
    entered
        Wall-clock time at which it entered this state, as far as this window knows.
    """

    name: str = ""
    state: str = ""
    message: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    backends: dict[str, Any] = field(default_factory=dict)
    entered: float = 0.0
    freshness: Freshness = field(default_factory=lambda: Freshness(patience=3.5))

    def push(self, text: str, now: float, lsl_now: float = 0.0) -> None:
        """Take in one JSON line that arrived at wall-clock time `now` (LSL time `lsl_now`)."""
        try:
            said: dict[str, Any] = json.loads(text)
        except ValueError:
            return
        state = str(said.get("state", ""))
        since = said.get("since")
        if isinstance(since, (int, float)) and lsl_now:
            self.entered = now - max(0.0, lsl_now - float(since))
        elif state != self.state:
            self.entered = now
        self.state = state
        self.message = str(said.get("message") or "")
        self.counts = {str(k): int(v) for k, v in (said.get("counts") or {}).items() if isinstance(v, (int, float))}
        warnings = said.get("warnings")
        self.warnings = [str(line) for line in warnings] if isinstance(warnings, list) else []
        backends = said.get("backends")
        self.backends = backends if isinstance(backends, dict) else {}
        self.freshness.touch(now)

    @property
    def backend(self) -> str:
        """What runs the network: ``openvino, 2 threads``; empty while nobody says."""
        choice = next(iter(self.backends.values()), None)
        if not isinstance(choice, dict):
            return self.facts.get("backend", "")
        threads, device, bits = (choice.get(key) for key in ("threads", "device", "precision"))
        on_processor = "1 thread" if threads == 1 else f"{threads} threads"
        words = [choice.get("backend"), on_processor if device == "cpu" else device, bits if bits != "float32" else ""]
        return ", ".join(str(word) for word in words if word)

    @property
    def refused(self) -> bool:
        """True when the stream did not match what the bundle was calibrated on."""
        return self.state == "refused"

    @property
    def headline(self) -> str:
        """First line of the message."""
        return self.message.splitlines()[0].strip() if self.message.strip() else ""

    @property
    def differences(self) -> list[str]:
        """The contract's difference, line by line."""
        return [line.strip() for line in self.message.splitlines()[1:] if line.strip()]

    @property
    def missed(self) -> int:
        """Events or windows that should have been decoded and were not."""
        return sum(self.counts.get(key, 0) for key in MISSED)

    @property
    def in_gaps(self) -> int:
        """Windows that were not decoded because samples are missing in them."""
        return self.counts.get("gap", 0)

    @property
    def skipped(self) -> int:
        """Windows left out because a newer one was ready: the decoder fell behind."""
        return self.counts.get("skipped", 0)

    @property
    def backlog(self) -> int:
        """Samples that had come and were not taken in when the last prediction left."""
        return self.counts.get("backlog", 0)

    @property
    def returned(self) -> int:
        """How often a source went away and came back."""
        return self.counts.get("returned", 0)

    def shown_state(self, now: float) -> str:
        """The state to write in the header: a session that fell silent is not live."""
        if not self.state:
            return "no session"
        if self.freshness.stale(now) and self.state not in ("stopped", "failed", "refused"):
            return "silent"
        return self.state

    def clock(self, now: float) -> str:
        """``HH:MM:SS`` in the present state."""
        seconds = int(max(0.0, now - self.entered)) if self.state else 0
        return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
