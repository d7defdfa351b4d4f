"""OpenVINO on the processor."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from typing import Any

from streamkit.errors import BackendError, CannotRun, require
from streamkit.inference.backend import Array, Arrays, Backend, copies, said
from streamkit.inference.checked import network
from streamkit.inference.graph import Graph, TensorSpec
from streamkit.inference.quarantine import pass_quarantine
from streamkit.inference.settings import Precision, Settings
from streamkit.inference.signal_stack import same_signal_stack

HINTS = {"float32": "f32", "int8": "f32", "bf16": "bf16"}


class OpenVinoBackend(Backend):
    """One compiled model and one infer request whose input and output tensors are reused by every call.

    `buffers` are the request's own input tensors. Full float32 is asked for: on processors with bfloat16 the default
    precision would break parity.
    """

    name = "openvino"

    def _open(self, graph: Graph, settings: Settings) -> None:
        openvino = require("openvino", "openvino", "the openvino backend")
        content = network(graph, settings.precision)
        if graph.digests:
            pass_quarantine(self.name, openvino.__version__, graph, settings, content)
        try:
            with same_signal_stack():
                core = openvino.Core()
                _check_precision(core, settings.precision)
                model = core.read_model(io.BytesIO(content))
                # A fixed batch spares the request its shape inference on every call.
                model.reshape({spec.name: list(spec.at_batch(settings.batch)) for spec in graph.inputs})
                request: Any = core.compile_model(model, "CPU", _options(settings)).create_infer_request()
                inputs = tuple(request.get_tensor(spec.name).data for spec in graph.inputs)
                outputs = tuple(request.get_tensor(spec.name).data for spec in graph.outputs)
        except BackendError:
            raise
        except Exception as error:
            file = graph.onnx_file(settings.precision)
            raise BackendError(
                f"openvino could not load {file} ({said(error)}): try the onnxruntime backend"
            ) from error
        for spec, out in zip(graph.outputs, outputs, strict=True):
            _check_output(graph, spec, out.shape, settings.batch)
        self.buffers, self._outputs, self._request = inputs, outputs, request

    def _run(self, arrays: Arrays) -> Arrays:
        self._request.infer(share_outputs=True)
        return copies(self._outputs)

    def _steps(self) -> tuple[Callable[[], object], Array]:
        return _directly(self._request), self._outputs[0]

    def _close(self) -> None:
        del self._outputs, self._request


def _directly(request: Any) -> Callable[[], object]:
    """What runs a request on what is in its tensors, without the Python around it that looks through inputs."""
    inner = super(type(request), request)
    if not hasattr(inner, "infer"):
        return partial(request.infer, share_outputs=True)
    return partial(inner.infer, {}, share_outputs=True, decode_strings=False)


def _options(settings: Settings) -> dict[str, Any]:
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": settings.threads,
        "INFERENCE_PRECISION_HINT": HINTS[settings.precision],
    }


def _check_precision(core: Any, precision: Precision) -> None:
    able = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if precision == "bf16" and "BF16" not in able:
        raise CannotRun(
            f"this processor does not compute in bf16 (OpenVINO lists {', '.join(able)}): use --precision float32"
        )


def _check_output(graph: Graph, spec: TensorSpec, found: tuple[int, ...], batch: int) -> None:
    if found != spec.at_batch(batch):
        raise CannotRun(
            f"graph {graph.name!r} gives {spec.name} of shape {found} at batch {batch}, "
            f"expected {spec.at_batch(batch)}: export it with fixed sizes but for the batch"
        )
