"""An ONNX graph in fewer bits: products and what lies between them; sums, powers and normalisations stay in float32.

Strongly typed runtimes compute each tensor in the type that the graph gives it, so the graph is where precision is
chosen. What may lose bits is what PyTorch's autocast lets lose them. Inputs and outputs stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from streamkit.errors import BackendError, require
from streamkit.inference.backend import said
from streamkit.inference.settings import Precision

PRODUCTS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
FOLLOWERS = frozenset(
    {
        *("Add", "Sub", "Concat", "DepthToSpace", "Dropout", "Expand", "Flatten", "Gather", "Identity", "Pad"),
        *("Reshape", "Slice", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze"),
        *("AveragePool", "GlobalAveragePool", "GlobalMaxPool", "MaxPool"),
        *("Clip", "Elu", "Gelu", "LeakyRelu", "PRelu", "Relu", "Selu", "Sigmoid", "Tanh"),
    }
)
"""Computed in fewer bits where all that comes in already has them."""

MIN_OPSET = {"fp16": 13, "bf16": 22}
"""First operator set in which all of the above take the type."""


def in_precision(content: bytes, precision: Precision) -> bytes:
    """Rewrite an ONNX file to compute in ``"fp16"`` or ``"bf16"``.

    Parameters
    ----------
    content
        A whole ONNX file in float32.

    Returns
    -------
    bytes
        The same network with the same inputs and outputs; the same bytes every time.

    Raises
    ------
    BackendError
        When the file is not ONNX, or cannot be expressed in the operator set that `precision` needs.
    MissingPackage
        When the package onnx is not installed.
    """
    onnx = require("onnx", "tensorrt", f"computing in {precision}")
    try:
        model = _at_least(onnx, onnx.load_from_string(content), MIN_OPSET[precision])
        model = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    except Exception as error:
        raise BackendError(f"the network cannot be computed in {precision}: {said(error)}") from error
    _Rewriter(onnx, model.graph, precision).rewrite()
    converted: bytes = model.SerializeToString(deterministic=True)
    return converted


def _at_least(onnx: Any, model: Any, opset: int) -> Any:
    if model.functions:
        model = require("onnx.inliner", "tensorrt", "inlining").inline_local_functions(model)
    version = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
    if version >= opset:
        return model
    return require("onnx.version_converter", "tensorrt", "conversion").convert_version(model, opset)


class _Rewriter:
    """Walks the nodes in order and keeps, for each float32 tensor, the name of its copy in fewer bits.

    Nodes with graphs inside (loops, branches) are left in float32, and so is everything in them.
    """

    def __init__(self, onnx: Any, graph: Any, precision: Precision) -> None:
        self._onnx, self._graph = onnx, graph
        self._few: int = onnx.TensorProto.FLOAT16 if precision == "fp16" else onnx.TensorProto.BFLOAT16
        self._full: int = onnx.TensorProto.FLOAT
        self._lift_constants()
        self._constants = {tensor.name: tensor for tensor in graph.initializer if tensor.data_type == self._full}
        typed = (*graph.input, *graph.value_info, *graph.output)
        self._floats = {value.name for value in typed if value.type.tensor_type.elem_type == self._full}
        self._floats |= set(self._constants)
        self._reduced: dict[str, str] = {}
        self._exact: set[str] = set(self._constants) | {value.name for value in graph.input}
        self._nodes: list[Any] = []
        self._tensors: list[Any] = []

    def rewrite(self) -> None:
        for node in self._graph.node:
            self._add(node)
        for output in self._graph.output:
            self._need_exact(output.name)
        used = {name for node in self._nodes for name in _read(node)} | {output.name for output in self._graph.output}
        kept = [tensor for tensor in self._graph.initializer if tensor.name in used]
        del self._graph.node[:], self._graph.value_info[:], self._graph.initializer[:]
        self._graph.node.extend(self._nodes)
        self._graph.initializer.extend([*kept, *self._tensors])

    def _lift_constants(self) -> None:
        """Make initialisers of the nodes that merely hold a float32 tensor."""
        for node in [node for node in self._graph.node if node.op_type == "Constant"]:
            tensor = next((part.t for part in node.attribute if part.name == "value"), None)
            if tensor is not None and tensor.data_type == self._full:
                self._graph.initializer.add().CopyFrom(tensor)
                self._graph.initializer[-1].name = node.output[0]
                self._graph.node.remove(node)

    def _add(self, node: Any) -> None:
        if not self._may_lose_bits(node):
            for name in _read(node):
                self._need_exact(name)
            self._exact |= set(node.output)
            self._nodes.append(node)
            return
        inputs = [self._need_reduced(name) if name in self._floats else name for name in node.input]
        node.input[:] = inputs
        for index, name in enumerate(node.output):
            if name in self._floats:
                node.output[index] = self._reduced[name] = self._fresh(name)
            else:
                self._exact.add(name)
        self._nodes.append(node)

    def _may_lose_bits(self, node: Any) -> bool:
        if node.domain not in ("", "ai.onnx"):
            return False
        flowing = [name for name in node.input if name in self._floats and name not in self._constants]
        if node.op_type in PRODUCTS:
            return bool(flowing)
        return node.op_type in FOLLOWERS and bool(flowing) and all(name in self._reduced for name in flowing)

    def _need_reduced(self, name: str) -> str:
        if name not in self._reduced:
            self._reduced[name] = self._fresh(name)
            if name in self._constants:
                self._tensors.append(self._rounded(self._constants[name]))
            else:
                self._cast(name, self._reduced[name], self._few)
        return self._reduced[name]

    def _need_exact(self, name: str) -> None:
        if name not in self._exact and name in self._reduced:
            self._cast(self._reduced[name], name, self._full)
            self._exact.add(name)

    def _cast(self, source: str, target: str, to: int) -> None:
        self._nodes.append(self._onnx.helper.make_node("Cast", [source], [target], name=f"cast_to_{target}", to=to))

    def _rounded(self, tensor: Any) -> Any:
        kind = self._onnx.helper.tensor_dtype_to_np_dtype(self._few)
        values = self._onnx.numpy_helper.to_array(tensor).astype(kind)
        return self._onnx.numpy_helper.from_array(values, self._reduced[tensor.name])

    def _fresh(self, name: str) -> str:
        return f"{name}__{'fp16' if self._few == self._onnx.TensorProto.FLOAT16 else 'bf16'}"


def _read(node: Any) -> Iterable[str]:
    """Names that a node reads, those that only a graph inside it reads included."""
    yield from node.input
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                yield from _read(inner)
