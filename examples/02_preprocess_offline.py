"""Preprocess a signal whole and in chunks of any size: the result is the same to the last bit.

    python examples/02_preprocess_offline.py

This is why a decoder calibrated on a file can be trusted live: both use this `Preprocessor`.
"""

import numpy as np

from streamkit import Chunk, Event, Preprocessor, StreamSpec
from streamkit.preprocess import PreprocessConfig, WindowConfig, windows_of

SPEC = StreamSpec(type="EEG", ch_names=("C3", "Cz", "C4"), sfreq=500.0, unit="V")
CONFIG = PreprocessConfig.model_validate(
    {
        "stages": [
            {"kind": "unit", "to": "microvolts"},
            {"kind": "rereference", "ref": "average"},
            {"kind": "bandpass", "low": 1.0, "high": 40.0},
            {"kind": "resample", "sfreq": 125.0},
        ]
    }
)


def in_chunks(data: np.ndarray, stamps: np.ndarray, size: int) -> np.ndarray:
    """All samples through a fresh preprocessor, `size` at a time."""
    preprocessor = Preprocessor(SPEC, CONFIG)
    parts = [
        preprocessor.process(Chunk(data[at : at + size], stamps[at : at + size])) for at in range(0, len(data), size)
    ]
    return np.concatenate([part.data for part in parts])


def main() -> None:
    """Compare chunk sizes, then cut windows."""
    stamps = np.arange(10_000) / SPEC.sfreq
    data = 1e-5 * np.random.default_rng(0).standard_normal((len(stamps), SPEC.n_chans))

    preprocessor = Preprocessor(SPEC, CONFIG)
    whole = preprocessor.process(Chunk(data, stamps))
    out = preprocessor.out
    print(f"{out.n_chans} channels at {out.sfreq:g} Hz in {out.unit}, about {1e3 * preprocessor.delay:.0f} ms later")
    for size in (1, 7, 64):
        print(f"chunks of {size}: same bits", np.array_equal(in_chunks(data, stamps, size), whole.data))

    window = WindowConfig(mode="event", n_times=100, baseline=(-0.2, 0.0), events=("face*",))
    events = [Event("face 1", 2.0), Event("house 1", 4.0), Event("face 2", 6.0)]
    for cut in windows_of(whole, events, out.sfreq, window):
        print(f"{cut.event.label}: {cut.data.shape}, newest sample at {cut.stamp:.3f} s, valid {cut.valid}")


if __name__ == "__main__":
    main()
