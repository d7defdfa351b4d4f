"""Small recordings that hold one of everything."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamkit.recording import Markers, Recording, RecordingMeta, Signal
from streamkit.types import StreamSpec


@pytest.fixture
def eeg() -> Signal:
    rng = np.random.default_rng(1)
    spec = StreamSpec(
        name="amp & <co>", type="EEG", ch_names=("C3", "Cz", "C4"), sfreq=250, unit="microvolts",
        description={"manufacturer": "none", "not an element": "kept"},
    )  # fmt: skip
    stamps = 700000 + np.arange(1000) / 250 + rng.normal(0, 1e-3, 1000)
    data = rng.normal(0, 20, (1000, 3)).astype(np.float32)
    data[5, 1], data[6, 2] = np.nan, np.inf
    return Signal(spec, data, stamps)


@pytest.fixture
def flashes() -> Markers:
    spec = StreamSpec(name="flashes", type="Markers", ch_names=("label",), sfreq=0, channel_format="string")
    return Markers(
        spec, ("face", "höuse\n2", "face"), np.array([700000.5, 700001.25, 700003.0]),
        {"trial": [1, 2, 3], "note": [None, "x", {"deep": [1.5]}]},
    )  # fmt: skip


@pytest.fixture
def whole(eeg: Signal, flashes: Markers, tmp_path: Path) -> Recording:
    """Signals of several types, markers of both kinds, stimuli as file and as arrays."""
    rng = np.random.default_rng(2)
    grip = Signal(
        StreamSpec(name="grip", type="Force", ch_names=("force",), sfreq=0, unit="N", channel_format="double64"),
        rng.normal(size=(7, 1)), 700000 + np.sort(rng.random(7)),
    )  # fmt: skip
    counts = Signal(
        StreamSpec(name="counts", type="Spikes", ch_names=("u1", "u2"), sfreq=100, channel_format="int16"),
        rng.integers(-300, 300, (40, 2)).astype(np.int16), 700000 + np.arange(40) / 100,
    )  # fmt: skip
    codes = Markers(
        StreamSpec(name="codes", type="Markers", ch_names=("code",), sfreq=0, channel_format="int32"),
        ("1", "2", "1234567"), np.array([700000.1, 700000.2, 700000.3]),
    )  # fmt: skip
    picture = tmp_path / "höuse.bin"
    picture.write_bytes(b"not looked at")
    exact = (rng.integers(0, 256, (3, 4, 5)) / np.float32(255)).astype(np.float32)
    return Recording(
        signals=(counts, eeg, grip),
        markers=(flashes, codes),
        stimuli={"höuse\n2": picture, "again": picture},
        stimulus_arrays={"face": exact, "fine": rng.random((1, 3, 3)).astype(np.float32)},
        meta=RecordingMeta(
            name="all of it",
            simulated=True,
            group="run-1",
            details={"seed": 3, "ünit": [1, None], "none": None, "inf": float("inf")},
        ),
    )
