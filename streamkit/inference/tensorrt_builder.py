"""TensorRT's builder: from ONNX bytes to the bytes of an engine. Import it freely; call it with a GPU only.

*Not run*: written without a GPU, to the interface of TensorRT 10.8 and later, 11 included.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cache
from typing import Any

from streamkit.errors import BackendError, require

WORKSPACE_BYTES = 1 << 30
logger = logging.getLogger(__name__)


def build_engine(content: bytes, name: str, shapes: Mapping[str, tuple[int, ...]], *, tf32: bool) -> bytes:
    """Build an engine in which every tensor has the type that the graph gives it.

    Parameters
    ----------
    content
        ONNX bytes.
    name
        Of the graph, for messages.
    shapes
        Of the inputs, batch included; the engine takes no others.
    tf32
        Round the factors of float32 products to 10 bits of mantissa, which is faster.

    Raises
    ------
    BackendError
        When TensorRT cannot express the graph, or finds no way to run it.
    """
    trt = require("tensorrt", "tensorrt", "building an engine")
    log = tensorrt_log()
    builder = trt.Builder(log)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, log)
    if not parser.parse(content):
        errors = "; ".join(parser.get_error(index).desc() for index in range(parser.num_errors))
        raise BackendError(f"TensorRT cannot express graph {name!r}: {errors}")
    engine = builder.build_serialized_network(network, _config(trt, builder, network, shapes, tf32))
    if engine is None:
        raise BackendError(f"TensorRT could not build an engine for graph {name!r}: {log.last()}")
    return bytes(engine)


def _config(trt: Any, builder: Any, network: Any, shapes: Mapping[str, tuple[int, ...]], tf32: bool) -> Any:
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE_BYTES)
    if tf32:
        config.set_flag(trt.BuilderFlag.TF32)
    else:
        config.clear_flag(trt.BuilderFlag.TF32)  # it is on by default
    profile = builder.create_optimization_profile()
    inputs = [network.get_input(index) for index in range(network.num_inputs)]
    free = [tensor.name for tensor in inputs if -1 in tuple(tensor.shape)]
    for name in free:
        profile.set_shape(name, shapes[name], shapes[name], shapes[name])
    if free:
        config.add_optimization_profile(profile)
    return config


@cache
def tensorrt_log() -> Any:
    """The logger of all TensorRT objects of this process: passes on to Python's, and remembers the last error."""
    trt: Any = require("tensorrt", "tensorrt", "the tensorrt backend")

    class Log(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self._last = ""

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.Severity.INTERNAL_ERROR, trt.ILogger.Severity.ERROR):
                self._last = message
            logger.debug("%s: %s", severity.name, message)

        def last(self) -> str:
            return self._last or "it does not say why"

    return Log()
