"""ONNX Runtime on the processor."""

from __future__ import annotations

from typing import Any

from streamkit.errors import BackendError, require
from streamkit.inference.backend import Arrays, Backend
from streamkit.inference.graph import Graph
from streamkit.inference.settings import Settings

QUIET = 4  # fatal only: what goes wrong reaches the user as one of our messages


class OnnxRuntimeBackend(Backend):
    """One session; its threads sleep between calls rather than spin, for a decoder is idle most of the time."""

    name = "onnxruntime"

    def _open(self, graph: Graph, settings: Settings) -> None:
        runtime = require("onnxruntime", "onnx", "the onnxruntime backend")
        file = graph.onnx_file(settings.precision)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = settings.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = QUIET
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        content = graph.read(file)
        try:
            self._session: Any = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise BackendError(f"onnxruntime could not load {file}: {error}") from error
        self._names = [spec.name for spec in graph.inputs]
        self._outputs = [spec.name for spec in graph.outputs]

    def _run(self, arrays: Arrays) -> Arrays:
        return tuple(self._session.run(self._outputs, dict(zip(self._names, arrays, strict=True))))

    def _close(self) -> None:
        del self._session
