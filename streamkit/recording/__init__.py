"""A Recording = signal streams + events + stimuli; neutral file formats only."""

from streamkit.recording.model import Markers, Recording, RecordingMeta, Signal
from streamkit.recording.read import read_recording, write_recording
from streamkit.recording.xdf_write import XdfWriter

__all__ = ["Markers", "Recording", "RecordingMeta", "Signal", "XdfWriter", "read_recording", "write_recording"]
