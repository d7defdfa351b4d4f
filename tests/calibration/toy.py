"""A small dataset in memory, reached through the public table of datasets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from calibration.datasets.dataset import Dataset, Options
from streamkit.recording import Markers, Recording, RecordingMeta, Signal
from streamkit.types import StreamSpec

SFREQ = 100.0
CH_NAMES = ("a", "b", "c")
SPEC = StreamSpec(name="toy", type="EEG", ch_names=CH_NAMES, sfreq=SFREQ, unit="microvolts")


class ToyOptions(Options):
    kind: str = "class"
    signal: float = 2.0
    n_events: int = 40
    groups: int = 4


def markers(labels: list[str], stamps: np.ndarray) -> Markers:
    spec = StreamSpec(name="marks", type="Markers", ch_names=("marker",), sfreq=0, channel_format="string")
    return Markers(spec, tuple(labels), stamps)


def recording(group: int, options: ToyOptions) -> Recording:
    rng = np.random.default_rng(group)
    n = round(SFREQ * (options.n_events * 0.5 + 1))
    data = rng.standard_normal((n, 3))
    onsets = 50 + 50 * np.arange(options.n_events)
    meta = RecordingMeta(name=f"toy-{group}", group=f"run-{group}", simulated=True)
    stamps = 10.0 + np.arange(n) / SFREQ
    if options.kind == "signal":
        force = np.convolve(data[:, 0], np.ones(10) / 10)[:n, None] * options.signal
        target = Signal(StreamSpec(name="force", ch_names=("grip",), sfreq=SFREQ, unit="N"), force, stamps)
        return Recording((Signal(SPEC, data.astype(np.float32), stamps), target), meta=meta)
    if options.kind == "image":
        images = {f"image-{group}-{k}": rng.uniform(size=(1, 8, 8)).astype(np.float32) for k in range(options.n_events)}
        for onset, image in zip(onsets, images.values(), strict=True):
            data[onset : onset + 10] += options.signal * image.reshape(-1)[:3]
        signal = Signal(SPEC, data.astype(np.float32), stamps)
        return Recording((signal,), (markers(list(images), stamps[onsets]),), stimulus_arrays=images, meta=meta)
    labels = [str(k) for k in rng.integers(1, 3, options.n_events)]
    for onset, label in zip(onsets, labels, strict=True):
        data[onset + 10 : onset + 20, 1] += options.signal * (label == "2")
    return Recording((Signal(SPEC, data.astype(np.float32), stamps),), (markers(labels, stamps[onsets]),), meta=meta)


def read(path: Path, options: ToyOptions) -> Iterator[Recording]:
    for group in range(options.groups):
        yield recording(group, options)


TOY = Dataset("toy", "noise with a bump", "nowhere", "none", "anything", ToyOptions, read)


def document(**sections: dict) -> dict:
    """A whole recipe for the toy, with sections changed."""
    base = {
        "name": "toy",
        "data": {"dataset": "toy", "path": "."},
        "window": {"mode": "event", "n_times": 30},
        "target": {"kind": "class", "classes": {"1": "rest", "2": "bump"}},
        "model": {"name": "linear", "args": {"pool": 5}},
        "evaluate": {"bootstrap": 50, "permutations": 50},
    }
    for name, section in sections.items():
        base[name] = section if name in ("preprocess", "window", "target") else {**base.get(name, {}), **section}
    return base
