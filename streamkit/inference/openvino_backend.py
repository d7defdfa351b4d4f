"""OpenVINO on the processor."""

from __future__ import annotations

from typing import Any

import numpy as np

from streamkit.errors import BackendError, require
from streamkit.inference.backend import Array, Backend
from streamkit.inference.graph import Graph


class OpenVinoBackend(Backend):
    """One compiled model and one infer request whose input and output tensors are reused by every call.

    Full float32 is asked for: on processors with bfloat16 the default precision would break parity.
    """

    name = "openvino"

    def _open(self, graph: Graph, threads: int, batch: int) -> None:
        openvino = require("openvino", "openvino", "the openvino backend")
        hints = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
        try:
            core = openvino.Core()
            model = core.read_model(str(graph.onnx))
            # A fixed batch spares the request its shape inference on every call.
            model.reshape({graph.input.name: list(graph.input.at_batch(batch))})
            self._request: Any = core.compile_model(model, "CPU", hints).create_infer_request()
        except Exception as error:
            raise BackendError(f"openvino could not load {graph.onnx}: {error}") from error
        self._in: Array = self._request.get_tensor(graph.input.name).data
        self._out: Array = self._request.get_tensor(graph.output.name).data

    def _infer(self, x: Array) -> Array:
        np.copyto(self._in, x)
        self._request.infer()
        return self._out.copy()

    def _close(self) -> None:
        del self._in, self._out, self._request
