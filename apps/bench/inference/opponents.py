"""The runtimes called directly, the best way their own pages know: what streamkit's backends are held against.

Every one finds its window in place, as streamkit's do, and gives back an answer that no later call changes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from apps.bench.inference.networks import Array, Arrays, Network
from streamkit.errors import require
from streamkit.inference import Settings

Call = Callable[[], Array]
OPENVINO_PRECISIONS = {"float32": "f32", "int8": "f32", "bf16": "bf16", "fp16": "f16"}
WHY = "calling the runtime directly"


def eager(network: Network, inputs: Arrays, settings: Settings) -> Call:
    """The module itself; whoever calls is in inference mode and has set the number of threads."""
    torch = require("torch", "train", WHY)
    tensors, module = [torch.from_numpy(each) for each in inputs], network.module

    def call() -> Array:
        answer: Array = module(*tensors).numpy()
        return answer

    return call


def openvino(network: Network, inputs: Arrays, settings: Settings) -> Call:
    """One infer request on a model of fixed shape; input and output lie in tensors that are bound once."""
    runtime = require("openvino", "openvino", WHY)
    core = runtime.Core()
    model = core.read_model(network.graph.onnx_file(settings.precision))
    names = [spec.name for spec in network.graph.inputs]
    model.reshape({name: list(each.shape) for name, each in zip(names, inputs, strict=True)})
    hints = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": settings.threads,
        "INFERENCE_PRECISION_HINT": OPENVINO_PRECISIONS[settings.precision],
    }
    request = core.compile_model(model, "CPU", hints).create_infer_request()
    tensors = [runtime.Tensor(each, shared_memory=True) for each in inputs]
    for name, tensor in zip(names, tensors, strict=True):
        request.set_tensor(name, tensor)
    out: Array = request.get_output_tensor().data

    def call() -> Array:
        request.infer(share_outputs=True)
        return out.copy()

    return keeping(call, inputs, tensors)


def onnxruntime(network: Network, inputs: Arrays, settings: Settings) -> Call:
    """One session with input and output bound to arrays, and the batch fixed."""
    runtime = require("onnxruntime", "onnx", WHY)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = settings.threads
    options.inter_op_num_threads = 1
    options.add_free_dimension_override_by_name("batch", settings.batch)
    file = network.graph.onnx_file(settings.precision)
    session: Any = runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    target = network.graph.output
    out = np.empty(target.at_batch(settings.batch), np.float32)
    for spec, each in zip(network.graph.inputs, inputs, strict=True):
        binding.bind_input(spec.name, "cpu", 0, np.float32, each.shape, each.ctypes.data)
    binding.bind_output(target.name, "cpu", 0, np.float32, out.shape, out.ctypes.data)

    def call() -> Array:
        session.run_with_iobinding(binding)
        return out.copy()

    return keeping(call, inputs)


def keeping(call: Call, *owners: Any) -> Call:
    """`call`, with the owners of memory that a runtime reads behind Python's back."""
    call.owners = owners  # type: ignore[attr-defined]
    return call


RAW: dict[str, Callable[[Network, Arrays, Settings], Call]] = {
    "openvino": openvino,
    "onnxruntime": onnxruntime,
    "torch": eager,
}
"""By the name of the backend that uses the same runtime."""
