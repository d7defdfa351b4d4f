"""What a runtime could run forever on is refused before it sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnx
import pytest
from onnx import helper

from streamkit.inference.onnx_file import NotOnnx
from streamkit.inference.onnx_rules import check
from tests import fuzz_onnx
from tests.inference.test_onnx_file import field


def check_changed(change: Callable[[Any], Any], network: str = "linear") -> None:
    model = onnx.load_from_string(fuzz_onnx.NETWORKS[network]())
    change(model)
    check(model.SerializeToString())


@pytest.mark.parametrize("network", fuzz_onnx.NETWORKS)
def test_what_keeps_to_the_rules_passes(network: str) -> None:
    check(fuzz_onnx.NETWORKS[network]())


def test_a_local_function_passes() -> None:
    def add(model: Any) -> None:
        node = helper.make_node("Relu", ["a"], ["b"])
        model.functions.append(helper.make_function("ours", "F", ["a"], ["b"], [node], [helper.make_opsetid("", 20)]))

    check_changed(add)


@pytest.mark.parametrize("version", [0, -1, 1001, 2**31 - 1, 2**62])
def test_a_version_that_does_not_exist_is_refused(version: int) -> None:
    with pytest.raises(NotOnnx, match="its operator set has version"):
        check_changed(lambda model: setattr(model.opset_import[0], "version", version))
    with pytest.raises(NotOnnx, match="its file format has version"):
        check_changed(lambda model: setattr(model, "ir_version", version))


def test_a_node_that_reads_what_it_gives_is_refused() -> None:
    with pytest.raises(NotOnnx, match="Gemm reads 'y', which nothing before it gives"):
        check_changed(lambda model: model.graph.node[1].input.__setitem__(0, "y"))


def test_a_circle_is_refused() -> None:
    with pytest.raises(NotOnnx, match="Flatten reads 'y', which nothing before it gives"):
        check_changed(lambda model: model.graph.node[0].input.__setitem__(0, "y"))


def test_a_name_given_twice_is_refused() -> None:
    with pytest.raises(NotOnnx, match="'flat' is given twice"):
        check_changed(lambda model: model.graph.node.insert(1, model.graph.node[0]))


def test_an_output_that_nothing_gives_is_refused() -> None:
    with pytest.raises(NotOnnx, match="nothing gives the output 'y'"):
        check_changed(lambda model: model.graph.node[1].output.__setitem__(0, "z"))


def test_a_graph_in_an_operator_that_holds_none_is_refused() -> None:
    def nest(model: Any) -> None:
        inner = onnx.GraphProto.FromString(model.graph.SerializeToString())
        model.graph.node[0].attribute.append(helper.make_attribute("value", inner))

    with pytest.raises(NotOnnx, match="Flatten holds a graph"):
        check_changed(nest)


def test_a_circle_in_a_branch_is_refused() -> None:
    def bend(model: Any) -> None:
        branches = next(node for node in model.graph.node if node.op_type == "If")
        branches.attribute[0].g.node[0].input[0] = "whole"

    with pytest.raises(NotOnnx, match="reads 'whole', which nothing before it gives"):
        check_changed(bend, "branching")


def test_graphs_nested_without_end_are_refused() -> None:
    graph = b""
    for _ in range(70):  # each a Loop whose body is the one before; protobuf itself goes no deeper than 100 messages
        graph = field(1, field(4, b"Loop") + field(5, field(6, graph)))
    with pytest.raises(NotOnnx, match="nested too deeply"):
        check(b"\x08\x09" + field(7, graph))
