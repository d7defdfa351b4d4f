"""ONNX Runtime on the processor."""

from __future__ import annotations

from typing import Any

from streamkit.errors import BackendError, require
from streamkit.inference.backend import Array, Backend
from streamkit.inference.graph import Graph

QUIET = 4  # fatal only: what goes wrong reaches the user as one of our messages


class OnnxRuntimeBackend(Backend):
    """One session; its threads sleep between calls rather than spin, for a decoder is idle most of the time."""

    name = "onnxruntime"

    def _open(self, graph: Graph, threads: int, batch: int) -> None:
        runtime = require("onnxruntime", "onnx", "the onnxruntime backend")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = QUIET
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        try:
            self._session: Any = runtime.InferenceSession(str(graph.onnx), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise BackendError(f"onnxruntime could not load {graph.onnx}: {error}") from error
        self._input, self._outputs = graph.input.name, [graph.output.name]

    def _infer(self, x: Array) -> Array:
        result: Array = self._session.run(self._outputs, {self._input: x})[0]
        return result

    def _close(self) -> None:
        del self._session
