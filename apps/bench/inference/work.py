"""How much work one inference is, how much this machine can do in a second, and which of the two kinds binds."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from apps.bench.inference.networks import Array, Arrays
from streamkit.errors import require
from streamkit.inference import Graph
from streamkit.inference.settings import Precision

if TYPE_CHECKING:
    from torch import nn

Bound = Literal["compute", "bandwidth"]
SIDE = 1536
"""Of the matrices multiplied to find the rate of arithmetic: 28 MB in all, 7.2 GFLOP."""

STREAM_SIDE = 8192
"""Of the matrix read to find the bandwidth: 268 MB, beyond every cache."""

TRIES = 8
WHY = "measuring what this machine can do"


@dataclass(frozen=True)
class Work:
    """What one call moves and computes.

    Attributes
    ----------
    weight_bytes
        Weights of the graph, each read once per call whatever the batch.
    flops
        Twice the multiply-adds of its matrix products and convolutions, for the whole batch.
    """

    weight_bytes: int
    flops: int

    @property
    def intensity(self) -> float:
        """Floating-point operations per byte of weights."""
        return self.flops / self.weight_bytes if self.weight_bytes else math.inf


@dataclass(frozen=True)
class Ceiling:
    """The most this machine does with so many threads.

    Attributes
    ----------
    gflops
        1e9 floating-point operations per second, in a product of two large float32 matrices, by torch or by ONNX
        Runtime, whichever is faster (torch's library is slow on some makers' processors).
    gbps
        1e9 bytes per second, reading a float32 matrix that fits no cache once, times a vector.
    """

    threads: int
    gflops: float
    gbps: float

    @property
    def ridge(self) -> float:
        """Intensity at which both would take as long."""
        return self.gflops / self.gbps

    def least_ms(self, work: Work) -> dict[str, float]:
        """Milliseconds that arithmetic and reading the weights would take by themselves."""
        return {"compute": work.flops / self.gflops / 1e6, "bandwidth": work.weight_bytes / self.gbps / 1e6}

    def bound(self, work: Work) -> Bound:
        """Which of them takes longer."""
        least = self.least_ms(work)
        return "bandwidth" if least["bandwidth"] > least["compute"] else "compute"

    def report(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self) | {"ridge": self.ridge}


def work_of(module: nn.Module, inputs: Arrays, graph: Graph, precision: Precision = "float32") -> Work:
    """Count one call: weights from the ONNX graph, operations by running the module once under a counter."""
    torch = require("torch", "train", WHY)
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(*(torch.from_numpy(each) for each in inputs))
    size = weight_bytes(graph.read(graph.onnx_file(precision)))
    halved = precision in ("fp16", "bf16") and precision not in graph.reduced
    return Work(size // 2 if halved else size, int(counter.get_total_flops()))


def weight_bytes(content: bytes) -> int:
    """Bytes of the initialisers of an ONNX model that are more than a shape or an axis."""
    onnx = require("onnx", "train", WHY)
    tensors = onnx.load_model_from_string(content).graph.initializer
    return sum(
        math.prod(tensor.dims) * int(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)
        for tensor in tensors
        if tensor.data_type != onnx.TensorProto.INT64
    )


def ceiling(threads: int, tries: int = TRIES) -> Ceiling:
    """Measure this machine: the best of `tries`."""
    torch = require("torch", "train", WHY)
    torch.set_num_threads(threads)
    with torch.inference_mode():
        a, b, out = (torch.rand(SIDE, SIDE) for _ in range(3))
        gemm = min(
            fastest(lambda: torch.mm(a, b, out=out), tries),
            fastest(onnxruntime_product(a.numpy(), b.numpy(), threads), tries),
        )
        matrix, vector, sums = torch.rand(STREAM_SIDE, STREAM_SIDE), torch.rand(STREAM_SIDE), torch.empty(STREAM_SIDE)
        stream = fastest(lambda: torch.mv(matrix, vector, out=sums), tries)
    return Ceiling(threads, 2 * SIDE**3 / gemm / 1e9, 4 * STREAM_SIDE**2 / stream / 1e9)


def onnxruntime_product(a: Array, b: Array, threads: int) -> Callable[[], object]:
    """Multiply `a` by a constant `b` in ONNX Runtime."""
    onnx, runtime = require("onnx", "train", WHY), require("onnxruntime", "train", WHY)
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    ends = [helper.make_tensor_value_info(name, kind, a.shape) for name in ("a", "y")]
    weights = [onnx.numpy_helper.from_array(b, "b")]
    graph = helper.make_graph([helper.make_node("MatMul", ["a", "b"], ["y"])], "product", ends[:1], ends[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"a": a})


def fastest(call: Callable[[], object], tries: int) -> float:
    """Fewest seconds `call` took, once warm."""
    call()
    took = []
    for _ in range(tries):
        begin = time.perf_counter()
        call()
        took.append(time.perf_counter() - begin)
    return min(took)
