"""Make a recording, write it, read it back, and publish it on LSL at four times its speed.

    python examples/01_read_and_replay.py [FOLDER]

A recording is made here of ten seconds of two sines and a marker per second; `read_recording` takes XDF, FIF, EDF,
BDF, GDF, BrainVision and EEGLAB files just so. `streamkit replay FOLDER --speed 4` is the same from the command line.
"""

import sys
import tempfile
import threading
from pathlib import Path

import numpy as np

from streamkit import Recording, StreamSpec, read_recording, write_recording
from streamkit.lsl import SignalInlet, find_one
from streamkit.recording import Markers, RecordingMeta, Signal
from streamkit.replay import Replay


def two_sines(sfreq: float = 250.0, seconds: float = 10.0) -> Recording:
    """Two channels in microvolts, and a marker each second."""
    stamps = np.arange(round(sfreq * seconds)) / sfreq
    data = 20 * np.sin(2 * np.pi * np.outer(stamps, [1.0, 10.0]))
    eeg = StreamSpec(name="sines", type="EEG", ch_names=("slow", "fast"), sfreq=sfreq, unit="microvolts")
    ticks = StreamSpec(name="ticks", type="Markers", ch_names=("marker",), sfreq=0, channel_format="string")
    return Recording(
        signals=(Signal(eeg, data.astype(np.float32), stamps),),
        markers=(Markers(ticks, tuple(f"second {k}" for k in range(1, 10)), np.arange(1.0, 10.0)),),
        meta=RecordingMeta(name="sines", simulated=True),
    )


def main() -> None:
    """Write, read, replay, receive."""
    parent = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp())
    recording = read_recording(write_recording(two_sines(), parent / "sines", overwrite=True))
    signal = recording.signal()
    print(f"read {signal.spec.n_chans} channels, {len(signal.stamps)} samples, {len(recording.events())} events")

    replay = Replay(recording, speed=4.0, go=(go := threading.Event()))
    publisher = threading.Thread(target=replay.run)
    publisher.start()
    inlet = SignalInlet(find_one(f"source_id={replay.source_ids['sines']}"))
    inlet.open()
    go.set()  # begin now that somebody listens
    received = []
    while sum(map(len, received)) < len(signal.stamps):
        received.append(inlet.pull(timeout=1.0).data.copy())  # what `pull` gives is a view of a ring
    publisher.join()
    print("received exactly what was recorded:", np.array_equal(np.concatenate(received), signal.data))


if __name__ == "__main__":
    main()
