"""What the reader of ONNX headers sees, and what it refuses."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from streamkit.inference.onnx_file import NotOnnx, external_files, signature
from tests import small_graphs


def external_tensor(name: str = "w") -> onnx.TensorProto:
    tensor = helper.make_tensor(name, TensorProto.FLOAT, [2], np.zeros(2).tobytes()[:8], raw=True)
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/secret")
    return tensor


def test_it_reads_names_shapes_and_dtypes() -> None:
    (source,), (target,) = signature(small_graphs.onnx_bytes())
    assert (source.name, source.shape, source.dtype) == ("x", (None, 3, 8), "float32")
    assert (target.name, target.shape, target.dtype) == ("y", (None, 2), "float32")


def test_a_fixed_batch_is_a_number() -> None:
    (source,), _ = signature(small_graphs.onnx_bytes(batch=1))
    assert source.shape == (1, 3, 8)


def test_a_model_with_its_weights_inside_names_no_files() -> None:
    assert external_files(small_graphs.onnx_bytes()) == set()


def test_external_weights_are_found_where_onnx_puts_them(tmp_path: Path) -> None:
    onnx.save_model(
        small_graphs.onnx_model(), tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0
    )
    assert external_files((tmp_path / "m.onnx").read_bytes()) == {"m.data"}


def test_external_weights_are_found_in_a_constant_of_a_branch() -> None:
    model = small_graphs.onnx_model()
    branch = helper.make_graph([helper.make_node("Constant", [], ["c"], value=external_tensor())], "branch", [], [])
    model.graph.node.append(helper.make_node("If", ["cond"], ["z"], then_branch=branch, else_branch=branch))
    assert external_files(model.SerializeToString()) == {"../../etc/secret"}


def test_external_weights_are_found_in_a_local_function() -> None:
    model = small_graphs.onnx_model()
    node = helper.make_node("Constant", [], ["c"], value=external_tensor())
    model.functions.append(helper.make_function("ours", "F", [], ["c"], [node], [helper.make_opsetid("", 20)]))
    assert external_files(model.SerializeToString()) == {"../../etc/secret"}


def test_external_weights_without_a_place_are_not_overlooked() -> None:
    model = small_graphs.onnx_model()
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL
    assert external_files(model.SerializeToString()) == {""}


@pytest.mark.parametrize(
    "content", [b"", b"not a network", pickle.dumps([1, 2]), pickle.dumps({"a": 1}, protocol=0), b"{}"]
)
def test_what_is_not_onnx_is_refused(content: bytes) -> None:
    with pytest.raises(NotOnnx):
        external_files(content)


@pytest.mark.parametrize("keep", [1, 10, 50, 150])
def test_a_cut_file_is_refused(keep: int) -> None:
    with pytest.raises(NotOnnx):
        external_files(small_graphs.onnx_bytes()[:-keep])


@given(st.binary(max_size=200))
def test_noise_never_raises_anything_else(content: bytes) -> None:
    try:
        external_files(content)
        signature(content)
    except NotOnnx:
        pass


def field(number: int, content: bytes) -> bytes:
    size, length = len(content), b""
    while size > 0x7F:
        length, size = length + bytes([size & 0x7F | 0x80]), size >> 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def test_nesting_without_end_is_refused() -> None:
    graph = b""
    for _ in range(40):
        graph = field(1, field(5, field(6, graph)))  # a node whose attribute is a graph
    with pytest.raises(NotOnnx, match="nested too deeply"):
        external_files(b"\x08\x09" + field(7, graph))
