"""Reading and editing the nodes of an ONNX graph that the package onnx has read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from streamkit.errors import require

LARGE = 1024
"""Numbers; shapes, axes and pads, which other shapes follow from, are fewer."""


def attributes(node: Any) -> dict[str, Any]:
    """Attributes of a node by name."""
    onnx = require("onnx", "onnx", "reading a network")
    return {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}


def replace(graph: Any, gone: Sequence[Any], made: Sequence[Any]) -> None:
    """Put nodes where the first of those that go was; tensors that nobody reads any more go with them."""
    place = list(graph.node).index(gone[0])
    for offset, node in enumerate(made):
        graph.node.insert(place + offset, node)
    for node in gone:
        graph.node.remove(node)
    used = {name for node in graph.node for name in node.input} | {value.name for value in graph.output}
    for number in reversed(range(len(graph.initializer))):
        if graph.initializer[number].name not in used:
            del graph.initializer[number]


def inferred(model: Any, batch: int = 0) -> Any:
    """Return the graph of `model` with the shapes of its tensors, its large weights among the inputs.

    Shapes do not depend on what weights hold, and these need not be copied, which of a network of a gigabyte takes
    longer than everything else.

    Parameters
    ----------
    batch
        What the first axis of each input is, where it is free and `batch` is not 0.
    """
    onnx = require("onnx", "onnx", "reading a network")
    graph = model.graph
    light = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import, functions=model.functions)
    light.graph.name = graph.name
    for field in ("node", "input", "output", "sparse_initializer"):
        getattr(light.graph, field).extend(getattr(graph, field))
    if not batch:  # else they may say another one
        light.graph.value_info.extend(graph.value_info)
    for value in light.graph.input if batch else ():
        dims = value.type.tensor_type.shape.dim
        if dims and not dims[0].dim_value:
            dims[0].dim_value = batch
    given = {value.name for value in graph.input}
    for tensor in graph.initializer:
        if math.prod(tensor.dims) < LARGE:
            light.graph.initializer.append(tensor)
        elif tensor.name not in given:
            light.graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    return onnx.shape_inference.infer_shapes(light, data_prop=True).graph
