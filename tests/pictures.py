"""A brain that answers pictures linearly, its recordings, and the bundle that knows how. All data here are simulated.

Each of `LABELS` has `FEATURES`; the response to it is ``FEATURES @ DECODER``, in microvolts, beginning with its event.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from streamkit.bundle import Contract, EncodingSpec, GraphFiles, ModelBundle, write_bundle
from streamkit.inference.runners import RetrievalConfig
from streamkit.preprocess import PreprocessConfig, WindowConfig
from streamkit.recording import Markers, Recording, RecordingMeta, Signal
from streamkit.types import OutputSpec, StreamSpec
from tests.runner_graphs import model
from tests.small import SFREQ

N_CHANS, N_TIMES, N_FEATURES = 4, 30, 5
CH_NAMES = ("Fz", "Cz", "Pz", "Oz")
LABELS = ("apple", "bear", "canoe", "drum", "eagle", "fern", "goat")
_rng = np.random.default_rng(11)
FEATURES = _rng.standard_normal((len(LABELS), N_FEATURES)).astype(np.float32)
DECODER = _rng.standard_normal((N_FEATURES, N_CHANS * N_TIMES)).astype(np.float32)
ENCODER = np.linalg.pinv(DECODER).astype(np.float32)
GALLERY = _rng.integers(0, 256, (len(LABELS), 3, 6, 8)).astype(np.uint8)
SPEC = StreamSpec(name="amp", type="EEG", ch_names=CH_NAMES, sfreq=SFREQ, unit="microvolts")
UNKNOWN = "zebra"


def response(label: str) -> np.ndarray:
    """What the brain does, ``(n_times, n_chans)``."""
    return (FEATURES[LABELS.index(label)] @ DECODER).reshape(N_CHANS, N_TIMES).T


def encoder_onnx() -> bytes:
    nodes = [("Flatten", ["window"], ["flat"]), ("MatMul", ["flat", "weight"], ["features"])]
    return model(nodes, {"window": (N_CHANS, N_TIMES)}, {"features": (N_FEATURES,)}, {"weight": ENCODER})


def decoder_onnx(n_times: int = N_TIMES) -> bytes:
    nodes = [("MatMul", ["features", "weight"], ["flat"]), ("Reshape", ["flat", "shape"], ["epoch"])]
    weight = DECODER.reshape(N_FEATURES, N_CHANS, N_TIMES)[:, :, :n_times].reshape(N_FEATURES, -1)
    constants = {"weight": weight, "shape": np.array([-1, N_CHANS, n_times], np.int64)}
    return model(nodes, {"features": (N_FEATURES,)}, {"epoch": (N_CHANS, n_times)}, constants)


def parts(**changes: Any) -> dict[str, Any]:
    """What `write_bundle` is given, with parts of the contract changed."""
    x = np.random.default_rng(12).standard_normal((3, N_CHANS, N_TIMES)).astype(np.float32)
    labels = LABELS
    contract: dict[str, Any] = {
        "stream": SPEC.model_copy(update={"name": ""}),
        "preprocess": PreprocessConfig(),
        "window": WindowConfig(mode="event", n_times=N_TIMES),
        "output": OutputSpec(
            kind="probabilities",
            labels=labels,
            shape=(len(labels),),
            activation="softmax",
            classes={label: label for label in labels},
            chance=1 / len(labels),
        ),
        "runner": RetrievalConfig(temperature=0.05),
        "encoding": EncodingSpec(labels=labels, n_times=N_TIMES),
        "gallery": "gallery",
    }
    return {
        "contract": Contract(**(contract | changes)),
        "graphs": {"encoder": GraphFiles(encoder_onnx()), "decoder": GraphFiles(decoder_onnx())},
        "references": {
            "encoder": (x, x.reshape(3, -1) @ ENCODER),
            "decoder": (FEATURES[:3], (FEATURES[:3] @ DECODER).reshape(3, N_CHANS, N_TIMES)),
        },
        "tensors": {"templates": FEATURES, "stimulus_features": FEATURES, "gallery": GALLERY},
    }


def bundle(path: Path, **changes: Any) -> ModelBundle:
    return write_bundle(path, **parts(**changes))


def recording(
    labels: Sequence[str] = LABELS, every: float = 0.2, noise: float = 0.3, first: float = 0.2, seed: int = 0
) -> Recording:
    """The brain while it is shown `labels`, one every so many seconds; one that it does not know leaves no trace."""
    n_times = round((first + every * len(labels) + 0.4) * SFREQ)
    rng = np.random.default_rng(seed)
    stamps = 100.0 + np.arange(n_times) / SFREQ
    data = noise * rng.standard_normal((n_times, N_CHANS))
    onsets = [round((first + k * every) * SFREQ) for k in range(len(labels))]
    for onset, label in zip(onsets, labels, strict=True):
        if label in LABELS:
            data[onset : onset + N_TIMES] += response(label)
    spec = StreamSpec(name="events", type="Markers", ch_names=("marker",), sfreq=0, channel_format="string")
    pictures = {label: GALLERY[LABELS.index(label)] / np.float32(255) for label in labels if label in LABELS}
    return Recording(
        (Signal(SPEC, data.astype(np.float32), stamps),),
        (Markers(spec, tuple(labels), stamps[onsets]),),
        stimulus_arrays={label: image.astype(np.float32) for label, image in pictures.items()},
        meta=RecordingMeta(name="pictures", simulated=True),
    )
