"""The network as the hand-written consumers run it: OpenVINO's Python interface as its own pages show it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamkit.errors import require

HINTS = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
"""The same for every consumer, streamkit included."""

WARM_UP_CALLS = 5
Predict = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def load(onnx: Path, shape: tuple[int, int]) -> Predict:
    """Compile the network for one window of ``(n_chans, n_times)``; returns a warm function from window to outputs."""
    openvino = require("openvino", "bench", "the network of the benchmark")
    core = openvino.Core()
    model = core.read_model(str(onnx))
    model.reshape([1, *shape])
    request = core.compile_model(model, "CPU", HINTS).create_infer_request()

    def predict(window: NDArray[np.float32]) -> NDArray[np.float32]:
        outputs: NDArray[np.float32] = request.infer([window[np.newaxis]])[0][0]
        return outputs

    for _ in range(WARM_UP_CALLS):
        predict(np.zeros(shape, np.float32))
    return predict
