"""What an ONNX graph is made of, held against the operators that TensorRT's parser takes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from onnx import inliner, shape_inference

LIST = json.loads((Path(__file__).with_name("tensorrt_operators.json")).read_text())
CONTROL_FLOW = frozenset({"If", "Loop", "Scan"})
LARGE = 2**20
"""Bytes of a constant that is a weight and no shape: what it holds is of no concern here, and takes its time."""


@dataclass(frozen=True)
class Scope:
    """What is known of the tensors that a node can see: type and rank by name, and which are constant."""

    kinds: dict[str, tuple[str, int]]
    constants: frozenset[str]

    def within(self, graph: Any) -> Scope:
        kinds, constants = dict(self.kinds), set(self.constants)
        for value in (*graph.input, *graph.output, *graph.value_info):
            tensor = value.type.tensor_type
            kinds[value.name] = (dtype(tensor.elem_type), len(tensor.shape.dim))
        for tensor in graph.initializer:
            kinds[tensor.name] = (dtype(tensor.data_type), len(tensor.dims))
            constants.add(tensor.name)
        constants |= {node.output[0] for node in graph.node if node.op_type == "Constant"}
        return Scope(kinds, frozenset(constants))


def dtype(code: int) -> str:
    name = onnx.TensorProto.DataType.Name(code).lower()
    return {"float": "float32", "double": "float64"}.get(name, name)


def nodes(content: bytes) -> Iterator[tuple[Any, Scope]]:
    """Every node with what it sees: local functions written out where they are called, then all nested graphs."""
    model = onnx.load_model_from_string(content)
    for tensor in model.graph.initializer:
        if len(tensor.raw_data) > LARGE:
            tensor.ClearField("raw_data")
    model = shape_inference.infer_shapes(inliner.inline_local_functions(model), strict_mode=True)
    yield from _nodes(model.graph, Scope({}, frozenset()))


def _nodes(graph: Any, outer: Scope) -> Iterator[tuple[Any, Scope]]:
    scope = outer.within(graph)
    for node in graph.node:
        yield node, scope
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs) if attribute.HasField("g") or attribute.graphs else ():
                yield from _nodes(inner, scope)


def op_types(content: bytes) -> list[str]:
    return [node.op_type for node, _ in nodes(content)]


def refused_by_tensorrt(content: bytes) -> list[str]:
    """Why TensorRT would not take this graph by its published list, one line per node; empty when it would."""
    opset = next(each.version for each in onnx.load_model_from_string(content).opset_import if not each.domain)
    oldest, newest = LIST["opsets"]
    found = [] if oldest <= opset <= newest else [f"opset {opset} is not among {oldest} to {newest}"]
    for node, scope in nodes(content):
        found += [f"{node.op_type} ({node.name}): {why}" for why in _refusals(node, scope)]
    return found


def _refusals(node: Any, scope: Scope) -> Iterator[str]:
    if node.domain not in ("", "ai.onnx") or node.op_type not in LIST["operators"]:
        yield f"{node.domain or 'onnx'}.{node.op_type} is not on the list"
        return
    kind, rank = scope.kinds[_decisive(node)]
    if kind not in LIST["operators"][node.op_type]:
        yield f"{kind} is not among its types"
    for index in LIST["constant_inputs"].get(node.op_type, ()):
        if len(node.input) > index and node.input[index] and node.input[index] not in scope.constants:
            yield f"input {index} must be constant"
    if node.op_type in LIST["only_first_output"] and any(node.output[1:]):
        yield "only its first output can be used"
    if node.op_type in LIST["pools_of_2_or_3_axes"] and rank not in (4, 5):
        yield f"pools over {rank - 2} axes"


def _decisive(node: Any) -> str:
    """Name of the tensor whose type the list speaks of."""
    if node.op_type == "Where":
        return str(node.input[1])
    named = [name for name in node.input if name]
    return str(named[0] if named else node.output[0])
