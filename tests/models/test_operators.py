"""The list of TensorRT's operators is read as it is meant, and a graph that breaks it is found out."""

from __future__ import annotations

from typing import Any

import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper  # noqa: E402

from tests.models import operators  # noqa: E402

SHAPE = [2, 3, 8]


def model(nodes: list[Any], functions: tuple[Any, ...] = (), kind: int = TensorProto.FLOAT, opset: int = 20) -> bytes:
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", kind, SHAPE)],
        [helper.make_tensor_value_info("y", kind, None)],
        [helper.make_tensor("axes", TensorProto.INT64, [1], [2])],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("ours", 1)]
    made = helper.make_model(graph, opset_imports=opsets, functions=functions, ir_version=9)
    return bytes(made.SerializeToString())


def test_a_graph_of_common_operators_is_taken() -> None:
    content = model([helper.make_node("Relu", ["x"], ["a"]), helper.make_node("ReduceMean", ["a", "axes"], ["y"])])
    assert operators.refused_by_tensorrt(content) == []


def test_an_operator_that_is_not_on_the_list_is_found() -> None:
    content = model([helper.make_node("Bernoulli", ["x"], ["y"], name="b")])
    assert operators.refused_by_tensorrt(content) == ["Bernoulli (b): onnx.Bernoulli is not on the list"]


def test_it_is_found_inside_a_branch() -> None:
    def branch(op: str, out: str) -> Any:
        return helper.make_graph(
            [helper.make_node(op, ["x"], [out])], op, [], [helper.make_tensor_value_info(out, TensorProto.FLOAT, SHAPE)]
        )

    condition = helper.make_node("Constant", [], ["c"], value=helper.make_tensor("v", TensorProto.BOOL, [], [1]))
    either = helper.make_node("If", ["c"], ["y"], then_branch=branch("Relu", "a"), else_branch=branch("Bernoulli", "b"))
    content = model([condition, either])
    assert operators.refused_by_tensorrt(content) == ["Bernoulli (): onnx.Bernoulli is not on the list"]
    assert "If" in operators.CONTROL_FLOW.intersection(operators.op_types(content))


def test_it_is_found_inside_a_function() -> None:
    body = [helper.make_node("Bernoulli", ["a"], ["b"])]
    function = helper.make_function("ours", "Draw", ["a"], ["b"], body, [helper.make_opsetid("", 20)])
    content = model([helper.make_node("Draw", ["x"], ["y"], domain="ours")], (function,))
    assert len(operators.refused_by_tensorrt(content)) == 1
    assert operators.op_types(content) == ["Bernoulli"]


def test_a_type_that_the_operator_does_not_take_is_found() -> None:
    content = model([helper.make_node("Relu", ["x"], ["y"], name="r")], kind=TensorProto.DOUBLE)
    assert operators.refused_by_tensorrt(content) == ["Relu (r): float64 is not among its types"]


def test_axes_that_are_computed_are_found() -> None:
    cut = [
        helper.make_node("Shape", ["x"], ["n"], start=0, end=1),
        helper.make_node("ReduceMean", ["x", "n"], ["y"], name="m"),
    ]
    assert operators.refused_by_tensorrt(model(cut)) == ["ReduceMean (m): input 1 must be constant"]


def test_a_pool_over_one_axis_is_found() -> None:
    content = model([helper.make_node("AveragePool", ["x"], ["y"], name="p", kernel_shape=[2])])
    assert operators.refused_by_tensorrt(content) == ["AveragePool (p): pools over 1 axes"]


def test_the_indices_of_a_pool_are_found() -> None:
    content = model([helper.make_node("MaxPool", ["x"], ["y", "i"], name="p", kernel_shape=[2])])
    assert "MaxPool (p): only its first output can be used" in operators.refused_by_tensorrt(content)


def test_an_opset_that_is_too_old_is_found() -> None:
    content = model([helper.make_node("Relu", ["x"], ["y"])], opset=8)
    assert operators.refused_by_tensorrt(content)[0] == "opset 8 is not among 9 to 24"


def test_the_list_names_its_source_and_contradicts_itself_nowhere() -> None:
    known = operators.LIST
    assert "onnx-tensorrt" in known["source"]
    assert known["tensorrt"] in known["source"]
    assert set(known["operators"]).isdisjoint(known["not_supported"])
    named = {*known["constant_inputs"], *known["only_first_output"], *known["pools_of_2_or_3_axes"]}
    assert named <= set(known["operators"])
