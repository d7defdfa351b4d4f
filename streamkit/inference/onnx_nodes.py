"""Editing the nodes of an ONNX graph that the package onnx has read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from streamkit.errors import require


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
