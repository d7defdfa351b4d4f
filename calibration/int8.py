"""A graph in 8 bits: ONNX Runtime's static quantisation, its ranges set by what the graph is given."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from streamkit.errors import BackendError, require
from streamkit.inference import Graph

Array = NDArray[Any]
Arrays = tuple[Array, ...]
Method = Literal["minmax", "percentile", "entropy"]
METHODS: Mapping[Method, str] = {"minmax": "MinMax", "percentile": "Percentile", "entropy": "Entropy"}
"""How ranges are set, and what ONNX Runtime calls it."""

PERCENTILE = 99.99
AT_ONCE = 32
"""Runs whose activations are held in memory at the same time."""

FLOAT_OUTPUTS = ["Gemm", "MatMul"]
"""Operators whose outputs are not rounded by themselves: what follows rounds them where it computes in 8 bits, and
the last one, which gives the answer, need not be rounded at all."""

DOT_PRODUCTS = {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp"}


def quantise(graph: Graph, inputs: Arrays, method: Method, reduce_range: bool) -> bytes:
    """ONNX of a graph with weights (each output channel by itself) and activations in 8 bits.

    Its inputs and outputs stay what they are.

    Parameters
    ----------
    inputs
        One array ``(n, ...)`` per input: `n` runs, which set the ranges of all activations.
    method
        ``"minmax"``: all that occurred; ``"percentile"``: but for the outermost .01 %; ``"entropy"``: what loses
        least information.
    reduce_range
        Weights in 7 bits, for processors whose sums of products of bytes saturate.

    Raises
    ------
    BackendError
        When ONNX Runtime cannot quantise it.
    """
    onnx = require("onnx", "onnx", "quantising a graph")
    library = require("onnxruntime.quantization", "onnx", "quantising a graph")
    content = graph.read(graph.onnx_file())
    source = _Runs([spec.name for spec in graph.inputs], inputs)
    try:
        with _quiet(), tempfile.TemporaryDirectory() as folder:
            given, whole, small = (Path(folder) / f"{word}.onnx" for word in ("given", "whole", "small"))
            given.write_bytes(content)
            library.quant_pre_process(str(given), str(whole), skip_symbolic_shape=True)
            model = _named(onnx.load(str(whole)))
            onnx.save(model, str(whole))
            library.quantize_static(
                str(whole),
                str(small),
                source,
                quant_format=library.QuantFormat.QDQ,
                per_channel=True,
                reduce_range=reduce_range,
                activation_type=library.QuantType.QUInt8,
                weight_type=library.QuantType.QInt8,
                calibrate_method=library.CalibrationMethod[METHODS[method]],
                nodes_to_exclude=_depthwise(model),
                extra_options={
                    "CalibStridedMinMax": source.stride,
                    "CalibPercentile": PERCENTILE,
                    "OpTypesToExcludeOutputQuantization": FLOAT_OUTPUTS,
                },
            )
            return _bare(onnx.load(str(small)))
    except Exception as error:
        raise BackendError(
            f"onnxruntime could not quantise graph {graph.name!r}: {type(error).__name__}: {error}. It stays in float32"
        ) from error


class _Runs:
    """Hands the inputs out run by run, as live does, those with the largest values first.

    The order matters to memory only: a histogram that starts narrow is widened in steps of its first bins.
    """

    def __init__(self, names: list[str], inputs: Arrays) -> None:
        first = inputs[0].reshape(len(inputs[0]), -1)
        order = np.argsort(-np.abs(first).max(axis=1), kind="stable")
        self._names, self._inputs = names, [np.ascontiguousarray(x[order]) for x in inputs]
        self.stride = max(size for size in range(1, AT_ONCE + 1) if not len(order) % size)
        self.set_range(0, len(order))

    def __len__(self) -> int:
        return len(self._inputs[0])

    def set_range(self, start_index: int, end_index: int) -> None:
        """Go on with these runs."""
        self._rest = iter(range(start_index, end_index))

    def get_next(self) -> dict[str, Array] | None:
        """Inputs of the next run; None after the last."""
        run = next(self._rest, None)
        if run is None:
            return None
        return {name: x[run : run + 1] for name, x in zip(self._names, self._inputs, strict=True)}


def _named(model: Any) -> Any:
    """`model`, each node of which has a name."""
    for number, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}_{number}"
    return model


def _depthwise(model: Any) -> list[str]:
    """Names of the convolutions that filter every channel by itself, which stay in float32.

    They hold few weights and lose most by rounding; and OpenVINO 2026.4 never ends compiling an 8-bit one with a wide
    kernel (15 or 16 taps on 16 channels) whose input has a zero point.
    """
    shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    return [
        node.name
        for node in convolutions
        if shapes.get(node.input[1], ())[1:2] == (1,) and any(a.name == "group" and a.i > 1 for a in node.attribute)
    ]


def _bare(model: Any) -> bytes:
    """Drop what the optimiser says it might have used; the graph stays."""
    used = {node.domain for node in model.graph.node} | {node.domain for f in model.functions for node in f.node}
    kept = [entry for entry in model.opset_import if entry.domain in used | {""}]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    del model.metadata_props[:]
    content: bytes = model.SerializeToString(deterministic=True)
    return content


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)  # what goes wrong reaches the user as one of our messages
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def outputs_of(graph: Graph, content: bytes, inputs: Arrays) -> Arrays:
    """What ONNX Runtime makes of inputs, run by run, with the float32 or any other version of a graph."""
    runtime = require("onnxruntime", "onnx", "quantising a graph")
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    ins, outs = [spec.name for spec in graph.inputs], [spec.name for spec in graph.outputs]
    runs = [
        session.run(outs, {name: x[run : run + 1] for name, x in zip(ins, inputs, strict=True)})
        for run in range(len(inputs[0]))
    ]
    return tuple(np.concatenate(parts) for parts in zip(*runs, strict=True))


def misfit(full: Arrays, reduced: Arrays) -> float:
    """Mean absolute difference of outputs, as a share of the mean absolute deviation of the float32 ones.

    Means rather than the largest, so that one window full of artefacts does not decide. Of several outputs, the worst.
    """
    return max(_misfit(*pair) for pair in zip(full, reduced, strict=True))


def _misfit(full: Array, reduced: Array) -> float:
    wide = full.astype(np.float64)
    spread = float(np.mean(np.abs(wide - wide.mean(0)))) or 1.0
    return float(np.mean(np.abs(reduced - wide))) / spread


@cache
def sums_bytes_exactly() -> bool:
    """Whether this processor has dot products of bytes that do not saturate (VNNI and the like); False if unknown."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").lower().splitlines()
    except OSError:
        return False
    found = {word for line in lines if line.startswith(("flags", "features")) for word in line.split()}
    return bool(found & DOT_PRODUCTS)
