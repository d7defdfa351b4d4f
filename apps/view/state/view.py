"""ViewState: everything the window shows, and which of its faces it shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from apps.view.state.candidates import CandidateState
from apps.view.state.decisions import DecisionState
from apps.view.state.discovery import DiscoveryState
from apps.view.state.encoding import EncodingState
from apps.view.state.health import HealthState
from apps.view.state.images import ImagePairState
from apps.view.state.latency import LatencyState
from apps.view.state.signal import SignalState
from apps.view.state.values import ValueState

Output = Literal["", "image", "probabilities", "values"]


@dataclass
class ViewState:
    """All states together.

    Attributes
    ----------
    output
        What the live session predicts; empty while there is no session.
    simulated
        True when a stream's description says that a forward model made it.
    connected
        Parts played by streams that are open now.
    """

    discovery: DiscoveryState = field(default_factory=DiscoveryState)
    signals: SignalState = field(default_factory=SignalState)
    images: ImagePairState = field(default_factory=ImagePairState)
    decisions: DecisionState = field(default_factory=DecisionState)
    values: ValueState = field(default_factory=ValueState)
    candidates: CandidateState = field(default_factory=CandidateState)
    encoding: EncodingState = field(default_factory=EncodingState)
    latency: LatencyState = field(default_factory=LatencyState)
    health: HealthState = field(default_factory=HealthState)
    output: Output = ""
    simulated: bool = False
    connected: set[str] = field(default_factory=set)

    @property
    def retrieves(self) -> bool:
        """True when the session chooses among pictures."""
        return self.output == "probabilities" and bool(self.candidates.count)

    @property
    def encodes(self) -> bool:
        """True when the session predicts what the brain does."""
        return bool(self.output) and self.encoding.ready

    @property
    def anything(self) -> bool:
        """True once any stream that can be drawn has been seen."""
        return bool(self.signals.spec or self.output or self.health.state or self.images.newest_shown)

    def title(self) -> str:
        """Title of the window."""
        parts = [self.signals.spec.name if self.signals.spec else "", self.health.name, "streamkit"]
        return ("SIMULATED · " if self.simulated else "") + " · ".join(part for part in parts if part)

    def predictions_stale(self, now: float) -> bool:
        """True when what the model said is old news: the session ended, fell silent, or answers no more."""
        if self.health.state:
            return self.health.shown_state(now) not in ("live", "connecting", "searching")
        return False
