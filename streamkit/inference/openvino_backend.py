"""OpenVINO on the processor."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from streamkit.errors import BackendError, require
from streamkit.inference.backend import Arrays, Backend
from streamkit.inference.graph import Graph
from streamkit.inference.settings import Settings

HINTS = {"float32": "f32", "int8": "f32", "bf16": "bf16", "fp16": "f16"}


class OpenVinoBackend(Backend):
    """One compiled model and one infer request whose input and output tensors are reused by every call.

    Full float32 is asked for: on processors with bfloat16 the default precision would break parity.
    """

    name = "openvino"

    def _open(self, graph: Graph, settings: Settings) -> None:
        openvino = require("openvino", "openvino", "the openvino backend")
        file = graph.onnx_file(settings.precision)
        hints = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": settings.threads,
            "INFERENCE_PRECISION_HINT": HINTS[settings.precision],
        }
        content = graph.read(file)
        try:
            core = openvino.Core()
            model = core.read_model(io.BytesIO(content))
            # A fixed batch spares the request its shape inference on every call.
            model.reshape({spec.name: list(spec.at_batch(settings.batch)) for spec in graph.inputs})
            self._request: Any = core.compile_model(model, "CPU", hints).create_infer_request()
            self.buffers = tuple(self._request.get_tensor(spec.name).data for spec in graph.inputs)
            self._out: Arrays = tuple(self._request.get_tensor(spec.name).data for spec in graph.outputs)
        except Exception as error:
            raise BackendError(f"openvino could not load {file}: {error}") from error

    def _run(self, arrays: Arrays) -> Arrays:
        for buffer, x in zip(self.buffers, arrays, strict=True):
            if x is not buffer:
                np.copyto(buffer, x)
        self._request.infer()
        return tuple(out.copy() for out in self._out)

    def _close(self) -> None:
        del self._out, self._request
