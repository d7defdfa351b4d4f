"""Small recordings and bundles that tests of several rooms share. All data here are simulated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from streamkit.bundle import Contract, GraphFiles, ModelBundle, write_bundle
from streamkit.preprocess import PreprocessConfig, WindowConfig
from streamkit.recording import Markers, Recording, RecordingMeta, Signal
from streamkit.types import OutputSpec, StreamSpec

SFREQ = 250.0
BANDPASS: tuple[dict[str, Any], ...] = ({"kind": "bandpass", "low": 1.0, "high": 30.0},)


def noise_recording(seconds: float = 6.0, n_chans: int = 4, n_events: int = 8, seed: int = 0) -> Recording:
    """White noise at 250 Hz with `n_events` markers, alternating "a" and "b"."""
    rng = np.random.default_rng(seed)
    n_times = round(seconds * SFREQ)
    stamps = 100.0 + np.arange(n_times) / SFREQ
    data = rng.standard_normal((n_times, n_chans)).astype(np.float32) * 10
    names = tuple(f"E{i}" for i in range(n_chans))
    spec = StreamSpec(name="amp", type="EEG", ch_names=names, sfreq=SFREQ, unit="microvolts")
    onsets = np.linspace(stamps[0] + 0.4, stamps[-1] - 0.8, n_events) + 0.0007
    markers = Markers(
        StreamSpec(name="events", type="Markers", ch_names=("marker",), sfreq=0, channel_format="string"),
        tuple("ab"[i % 2] for i in range(n_events)),
        onsets,
    )
    return Recording((Signal(spec, data, stamps),), (markers,), meta=RecordingMeta(name="noise", simulated=True))


def linear_onnx(n_chans: int, n_times: int, n_outputs: int, seed: int = 1) -> bytes:
    """ONNX of one random linear map ``(batch, n_chans, n_times)`` → ``(batch, n_outputs)``."""
    weights = np.random.default_rng(seed).standard_normal((n_chans * n_times, n_outputs)).astype(np.float32)
    weights /= np.sqrt(len(weights)) * 10
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["window"], ["flat"], axis=1),
            helper.make_node("MatMul", ["flat", "weights"], ["scores"]),
        ],
        "linear",
        [helper.make_tensor_value_info("window", TensorProto.FLOAT, ["batch", n_chans, n_times])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", n_outputs])],
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    content: bytes = model.SerializeToString()
    return content


def linear_bundle(
    path: Path,
    *,
    mode: str = "event",
    n_chans: int = 4,
    n_times: int = 50,
    stages: tuple[dict[str, Any], ...] = BANDPASS,
    on_gap: str = "continue",
    **window: Any,
) -> ModelBundle:
    """Bundle of `linear_onnx` behind a causal band-pass, for the stream of `noise_recording`."""
    content = linear_onnx(n_chans, n_times, 2)
    x = np.random.default_rng(2).standard_normal((4, n_chans, n_times)).astype(np.float32)
    weights = numpy_helper.to_array(onnx.load_from_string(content).graph.initializer[0])
    timing = {"hop": 25} if mode == "hop" else {"tmin": -0.1, "baseline": (-0.1, 0.0)}
    contract = Contract(
        stream=StreamSpec(type="EEG", ch_names=tuple(f"E{i}" for i in range(n_chans)), sfreq=SFREQ, unit="microvolts"),
        preprocess=PreprocessConfig.model_validate({"stages": stages, "on_gap": on_gap}),
        window=WindowConfig.model_validate({"mode": mode, "n_times": n_times, **timing, **window}),
        output=OutputSpec(
            kind="probabilities",
            labels=("a", "b"),
            shape=(2,),
            activation="softmax",
            classes={"a": "a", "b": "b"},
            chance=0.5,
        ),
    )
    return write_bundle(
        path,
        contract=contract,
        graphs={"decoder": GraphFiles(onnx=content)},
        references={"decoder": (x, (x.reshape(len(x), -1) @ weights).astype(np.float32))},
    )
