"""Lab Streaming Layer in and out."""

from streamkit.lsl.contract import channel_picks, check, differences
from streamkit.lsl.discovery import find, find_one, spec_of
from streamkit.lsl.health import Health, HealthPublisher
from streamkit.lsl.inlet import SignalInlet
from streamkit.lsl.markers import MarkerInlet
from streamkit.lsl.outlet import (
    DecisionOutlet,
    ImageOutlet,
    LatencyOutlet,
    MarkerOutlet,
    Outlet,
    PredictionOutlet,
    SignalOutlet,
    TextOutlet,
)

__all__ = [
    "DecisionOutlet",
    "Health",
    "HealthPublisher",
    "ImageOutlet",
    "LatencyOutlet",
    "MarkerInlet",
    "MarkerOutlet",
    "Outlet",
    "PredictionOutlet",
    "SignalInlet",
    "SignalOutlet",
    "TextOutlet",
    "channel_picks",
    "check",
    "differences",
    "find",
    "find_one",
    "spec_of",
]
