"""Calibrate a decoder on your own recordings: two classes of events, linear discriminant analysis.

    python examples/03_calibrate_from_python.py FOLDER

Three simulated runs are written to FOLDER/runs; the dataset `file` reads any folder of recordings like that. The last
run is held out and goes to FOLDER/held-out, the decoder and its report to FOLDER/bundle.
"""

import sys
from pathlib import Path

import numpy as np

from calibration import Recipe, calibrate
from streamkit import Recording, StreamSpec, write_recording
from streamkit.recording import Markers, RecordingMeta, Signal

RECIPE = {
    "name": "two-tones",
    "data": {"dataset": "file"},
    "preprocess": {"stages": [{"kind": "bandpass", "low": 0.5, "high": 20.0, "order": 2}]},
    "window": {"mode": "event", "n_times": 100},
    "target": {"kind": "class", "classes": {"low": "low tone", "high": "high tone"}},
    "split": {"held_out": "last"},
    "model": {"name": "linear", "args": {"pool": 10}},
    "evaluate": {"bootstrap": 200, "permutations": 200},
}


def run(number: int, n_events: int = 40, sfreq: float = 200.0) -> Recording:
    """Noise in three channels; a high tone evokes a wave on Cz."""
    rng = np.random.default_rng(number)
    labels = tuple(rng.choice(["low", "high"], n_events).tolist())
    onsets = 1.0 + np.arange(n_events)
    stamps = np.arange(round((n_events + 2) * sfreq)) / sfreq
    data = 10 * rng.standard_normal((len(stamps), 3))
    for onset, label in zip(onsets, labels, strict=True):
        data[:, 1] += 8 * (label == "high") * np.exp(-(((stamps - onset - 0.3) / 0.05) ** 2))
    eeg = StreamSpec(name="eeg", type="EEG", ch_names=("Fz", "Cz", "Pz"), sfreq=sfreq, unit="microvolts")
    tones = StreamSpec(name="tones", type="Markers", ch_names=("marker",), sfreq=0, channel_format="string")
    meta = RecordingMeta(name=f"run-{number}", group=f"run-{number}", simulated=True)
    return Recording((Signal(eeg, data.astype(np.float32), stamps),), (Markers(tones, labels, onsets),), meta=meta)


def main() -> None:
    """Record, calibrate, print the scores."""
    folder = Path(sys.argv[1])
    for number in range(1, 4):
        write_recording(run(number), folder / "runs" / f"run-{number}", overwrite=True)
    recipe = Recipe.model_validate(RECIPE)
    result = calibrate(recipe, folder / "runs", folder / "bundle", folder / "held-out", overwrite=True)
    for score in result.scores:
        low, high = score.ci95
        print(f"{score.name}: {score.value:.2f} (95 % {low:.2f} to {high:.2f}, chance {score.chance:.2f}, n {score.n})")
    print(f"bundle {result.bundle.path}, held-out recording {result.held_out_recordings[0]}")


if __name__ == "__main__":
    main()
