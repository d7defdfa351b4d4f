"""TensorRT on an NVIDIA GPU: an engine built from the ONNX graph, run on a stream of its own.

*Not run*: written without a GPU. Without a driver TensorRT takes the process down when it is merely imported,
hence nothing here touches it before `cuda_driver.probe` has found a GPU.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from streamkit.errors import BackendError, MissingPackage, StreamkitError, require
from streamkit.inference import cuda_driver
from streamkit.inference.backend import Arrays, Backend, said
from streamkit.inference.checked import network
from streamkit.inference.engines import EngineKey, engine_for
from streamkit.inference.graph import Graph
from streamkit.inference.onnx_precision import in_precision
from streamkit.inference.settings import Device, Settings
from streamkit.inference.tensorrt_builder import build_engine, tensorrt_log

EXTRA, WHY = "tensorrt", "the tensorrt backend"
OLDEST = (10, 8)
NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING: does not wait for the default stream


class TensorRtBackend(Backend):
    """One engine and one execution context, between page-locked arrays on the host.

    The engine is strongly typed, built for one batch size, and kept for the next time (see `engines`). `_run` spins
    while it waits, as the cuda_graph backend does. CUDA's primary context is used, which is also PyTorch's.
    """

    name = "tensorrt"

    @classmethod
    def why_not(cls, device: Device) -> str:
        """See `Backend.why_not`."""
        if trouble := cuda_driver.probe().why_not:
            return trouble
        try:
            version = require("tensorrt", EXTRA, WHY).__version__
        except MissingPackage as error:
            return cls.why_missing(str(error))
        try:
            require("pycuda.driver", EXTRA, WHY)
        except MissingPackage as error:
            return str(error)
        if tuple(map(int, version.split(".")[:2])) < OLDEST:
            oldest = ".".join(map(str, OLDEST))
            return f"TensorRT {version} is too old, expected {oldest} or later: pip install -U 'streamkit[tensorrt]'"
        return ""

    @classmethod
    def why_missing(cls, message: str) -> str:
        """See `Backend.why_missing`: a runtime without the builder is told from none at all."""
        if importlib.util.find_spec("tensorrt_lean") is None:
            return message
        return (
            "only the lean TensorRT runtime is installed, which cannot build engines, and the tensorrt backend builds "
            "its own: pip install 'streamkit[tensorrt]'"
        )

    def _open(self, graph: Graph, settings: Settings) -> None:
        if trouble := self.why_not(settings.device):
            raise MissingPackage(trouble)
        self._cuda: Any = require("pycuda.driver", EXTRA, WHY)
        content = _content(graph, settings)
        try:
            with primary_context():
                self._load_or_forget(content, graph, settings)
        except StreamkitError:
            raise
        except Exception as error:
            raise BackendError(f"TensorRT could not load graph {graph.name!r} ({settings}): {said(error)}") from error

    def _load_or_forget(self, content: bytes, graph: Graph, settings: Settings) -> None:
        try:
            self._load(content, graph, settings)
        except BaseException:
            self._forget()
            raise

    def _load(self, content: bytes, graph: Graph, settings: Settings) -> None:
        trt = require("tensorrt", EXTRA, WHY)
        shapes = {spec.name: spec.at_batch(settings.batch) for spec in graph.inputs}
        tf32 = settings.precision == "tf32"
        self._runtime: Any = trt.Runtime(tensorrt_log())
        self._engine: Any = engine_for(
            _key(content, settings, trt.__version__),
            lambda: build_engine(content, graph.name, shapes, tf32=tf32),
            self._runtime.deserialize_cuda_engine,
        )
        self._context: Any = self._engine.create_execution_context()
        if self._context is None:
            raise BackendError(f"the GPU has no memory left for graph {graph.name!r}: {tensorrt_log().last()}")
        self._stream: Any = self._cuda.Stream(NON_BLOCKING)
        for name, shape in shapes.items():
            self._context.set_input_shape(name, shape)
        self._in = tuple(self._page_locked(spec.name) for spec in graph.inputs)
        self._out = tuple(self._page_locked(spec.name) for spec in graph.outputs)
        self._on_gpu = [self._cuda.mem_alloc(array.nbytes) for array in (*self._in, *self._out)]
        for spec, memory in zip((*graph.inputs, *graph.outputs), self._on_gpu, strict=True):
            self._context.set_tensor_address(spec.name, int(memory))
        self.buffers = self._in

    def _page_locked(self, name: str) -> Any:
        """Array for a tensor of the engine, filled with zeros."""
        dtype = np.dtype(require("tensorrt", EXTRA, WHY).nptype(self._engine.get_tensor_dtype(name)))
        array = self._cuda.pagelocked_empty(tuple(self._context.get_tensor_shape(name)), dtype)
        array[...] = 0
        return array

    def _run(self, arrays: Arrays) -> Arrays:
        inputs, outputs = self._on_gpu[: len(self._in)], self._on_gpu[len(self._in) :]
        with primary_context():
            for memory, array in zip(inputs, self._in, strict=True):
                self._cuda.memcpy_htod_async(memory, array, self._stream)
            if not self._context.execute_async_v3(self._stream.handle):
                raise BackendError(f"TensorRT could not run: {tensorrt_log().last()}")
            for array, memory in zip(self._out, outputs, strict=True):
                self._cuda.memcpy_dtoh_async(array, memory, self._stream)
            self._stream.synchronize()
        return tuple(output.copy() for output in self._out)

    def _close(self) -> None:
        with primary_context():
            self._forget()

    def _forget(self) -> None:
        """Drop everything, in an order that frees nothing which something else still needs; the context is current."""
        self.buffers = ()
        for name in ("_context", "_engine", "_runtime", "_on_gpu", "_in", "_out", "_stream"):
            self.__dict__.pop(name, None)


def _content(graph: Graph, settings: Settings) -> bytes:
    """ONNX bytes in the wanted precision: the bundle's own where it has them."""
    content = network(graph, settings.precision)
    if settings.precision in ("fp16", "bf16") and settings.precision not in graph.reduced:
        return in_precision(content, settings.precision)
    return content


def _key(content: bytes, settings: Settings, version: str) -> EngineKey:
    driver = cuda_driver.probe()
    return EngineKey(
        onnx=hashlib.sha256(content).hexdigest(),
        gpu=f"{driver.gpus[0]}, {driver.capabilities[0]}",
        tensorrt=version,
        driver=f"{driver.release}, CUDA {driver.version}",
        precision=settings.precision,
        batch=settings.batch,
    )


@cache
def _retained() -> Any:
    """The first GPU's primary context, as pycuda has it, kept for as long as the process lives."""
    cuda = require("pycuda.driver", EXTRA, WHY)
    cuda.init()
    return cuda.Device(0).retain_primary_context()


@contextmanager
def primary_context() -> Iterator[None]:
    """Make the primary context current in this thread, as pycuda sees it, and put back what was."""
    context = _retained()
    context.push()
    try:
        yield
    finally:
        context.pop()
