from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streamkit.inference.onnx_nodes import LARGE, inferred
from tests.models import exports

onnx = pytest.importorskip("onnx")


def sizes(graph: Any) -> dict[str, list[int]]:
    values = (*graph.value_info, *graph.output)
    return {value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in values}


@pytest.mark.parametrize("name", ["spikes2video", "v1_gan", "brainae_encoder", "brain2pix"])
def test_shapes_are_those_that_are_found_with_all_weights(name: str) -> None:
    model = onnx.load_model_from_string(exports.exported(name).files.onnx)
    whole = sizes(onnx.shape_inference.infer_shapes(model, data_prop=True).graph)
    assert sum(map(len, whole.values())) > 10
    assert sizes(inferred(model)) == whole


def test_shapes_at_a_batch_are_without_a_free_axis() -> None:
    model = onnx.load_model_from_string(exports.exported("spikes2video").files.onnx)
    found = sizes(inferred(model, 3))
    assert found["output"][0] == 3
    assert all(min(shape, default=1) > 0 for shape in found.values())
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 0  # the model itself is as it was


def test_large_weights_are_not_copied_and_small_constants_are() -> None:
    helper = onnx.helper
    nodes = [
        helper.make_node("Reshape", ["x", "shape"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weight"], ["output"]),
    ]
    ends = [helper.make_tensor_value_info(name, 1, dims) for name, dims in (("x", (2, 8, 8)), ("output", None))]
    tensors = {"shape": np.array([2, 64]), "weight": np.zeros((64, LARGE // 32), np.float32)}
    held = [onnx.numpy_helper.from_array(values, name) for name, values in tensors.items()]
    model = helper.make_model(helper.make_graph(nodes, "two", [ends[0]], [ends[1]], held))
    found = inferred(model)
    assert [tensor.name for tensor in found.initializer] == ["shape"]
    assert sizes(found) == {"flat": [2, 64], "output": [2, LARGE // 32]}
