"""A Recording = signal streams + events + stimuli; neutral file formats only."""

from streamkit.recording.model import Markers, Recording, RecordingMeta, Signal

__all__ = ["Markers", "Recording", "RecordingMeta", "Signal"]
