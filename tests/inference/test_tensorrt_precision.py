"""Networks rewritten to compute in fewer bits say nearly the same, and look the same from outside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from models.table import MODELS
from streamkit.errors import BackendError
from streamkit.inference.onnx_file import signature
from streamkit.inference.onnx_precision import FOLLOWERS, MIN_OPSET, PRODUCTS, in_precision
from streamkit.inference.settings import TOLERANCES, Precision
from tests import small_graphs
from tests.models import operators
from tests.models.cases import CASES
from tests.models.exports import exported

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, checker, helper, numpy_helper  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402

FEW: dict[str, int] = {"fp16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}
BOTH = pytest.mark.parametrize("precision", ["fp16", "bf16"])
N = 4
ENLARGE = {"spikes2video", "spikes2video_streaming"}
"""Untrained, they make nearly the same picture of everything, and what normalises that enlarges rounding: the proof at
opening refuses them. One trained on the small simulated world errs by .0006."""
VANISH = {"v1_feature_readin"}
"""Its weights begin within 1e-6, as published, and what it says at first, 1e-13, is nothing in fp16. As a part of
`v1_resnet` the same network begins as PyTorch has it."""


def model(nodes: list[Any], weights: dict[str, np.ndarray], shape: tuple[int, ...] = (1, N)) -> bytes:
    """A float32 graph from x to y."""
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    return onnx.shape_inference.infer_shapes(made).SerializeToString()


def square(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((N, N)).astype(np.float32)


def node(kind: str, inputs: str, output: str, **attributes: Any) -> Any:
    return helper.make_node(kind, inputs.split(), [output], name=output, **attributes)


def loaded(content: bytes) -> Any:
    """The rewritten model, with every type worked out, and held against the standard."""
    got = onnx.load_from_string(content)
    checker.check_model(got, full_check=True)
    return onnx.shape_inference.infer_shapes(got, check_type=True, strict_mode=True)


def types(content: bytes) -> dict[str, tuple[str, int]]:
    """By the name of a node: its operator and the type it gives."""
    graph = loaded(content).graph
    kinds = {value.name: value.type.tensor_type.elem_type for value in (*graph.value_info, *graph.output)}
    return {each.name: (each.op_type, kinds[each.output[0]]) for each in graph.node}


def run(content: bytes, *inputs: np.ndarray) -> np.ndarray:
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return session.run(None, {source.name: x for source, x in zip(session.get_inputs(), inputs, strict=True)})[0]


def evaluate(content: bytes, x: np.ndarray) -> np.ndarray:
    """By the standard's own evaluator, which knows bfloat16."""
    return ReferenceEvaluator(onnx.load_from_string(content)).run(None, {"x": x})[0]


def relative_error(got: np.ndarray, wanted: np.ndarray) -> float:
    assert got.dtype == wanted.dtype == np.float32
    assert got.shape == wanted.shape
    return float(np.abs(got - wanted).max() / np.abs(wanted).max())


def test_every_model_is_tried() -> None:
    assert set(CASES) == set(MODELS)


@pytest.mark.parametrize("name", CASES)
def test_every_model_agrees_in_fp16_or_is_known_not_to(name: str) -> None:
    made = exported(name)
    error = relative_error(run(in_precision(made.files.onnx, "fp16"), *made.inputs), made.answers)
    assert (error <= TOLERANCES["fp16"]) == (name not in ENLARGE | VANISH)
    assert error <= 3 * TOLERANCES["fp16"] or name in VANISH


@BOTH
@pytest.mark.parametrize("name", CASES)
def test_every_model_multiplies_in_fewer_bits_and_keeps_its_face(name: str, precision: Precision) -> None:
    content = exported(name).files.onnx
    converted = in_precision(content, precision)
    assert signature(converted) == signature(content)
    products = [kind for op, kind in types(converted).values() if op in PRODUCTS]
    assert products
    assert set(products) == {FEW[precision]}


@BOTH
@pytest.mark.parametrize("name", CASES)
def test_every_model_is_still_made_of_what_tensorrt_takes(name: str, precision: Precision) -> None:
    content = exported(name).files.onnx
    assert operators.refused_by_tensorrt(in_precision(content, precision)) == []


@pytest.mark.parametrize(("precision", "answer"), [("fp16", run), ("bf16", evaluate)])
def test_a_small_network_agrees(precision: Precision, answer: Callable[[bytes, np.ndarray], np.ndarray]) -> None:
    x = small_graphs.windows()
    got = answer(in_precision(small_graphs.onnx_bytes(), precision), x)
    error = relative_error(got, small_graphs.answers(x))
    assert 0 < error <= TOLERANCES[precision]  # 0 would say that nothing was rounded


@BOTH
def test_the_same_bytes_come_out_every_time(precision: Precision) -> None:
    content = small_graphs.onnx_bytes()
    assert in_precision(content, precision) == in_precision(content, precision) != content


@BOTH
def test_an_older_operator_set_is_raised_where_the_type_needs_it(precision: Precision) -> None:
    before = onnx.load_from_string(small_graphs.onnx_bytes()).opset_import[0].version
    after = onnx.load_from_string(in_precision(small_graphs.onnx_bytes(), precision)).opset_import[0].version
    assert after == max(before, MIN_OPSET[precision])


def test_what_lies_between_products_follows_and_sums_do_not() -> None:
    nodes = [
        node("MatMul", "x w", "a"),
        node("Relu", "a", "b"),
        node("MatMul", "b w", "c"),
        node("ReduceSum", "c axes", "d", keepdims=1),
        node("Sub", "c d", "e"),
        node("Softmax", "e", "y"),
    ]
    content = model(nodes, {"w": square(), "axes": np.array([1], np.int64)})
    kinds = {name: kind for name, (_, kind) in types(in_precision(content, "fp16")).items()}
    few, full = TensorProto.FLOAT16, TensorProto.FLOAT
    assert {name: kinds[name] for name in "abcdey"} == {"a": few, "b": few, "c": few, "d": full, "e": full, "y": full}


def test_a_sum_beyond_what_fp16_can_hold_stays_finite() -> None:
    nodes = [node("MatMul", "x w", "a"), node("Mul", "a a", "b"), node("ReduceSum", "b axes", "y", keepdims=1)]
    content = model(nodes, {"w": 100 * np.eye(N, dtype=np.float32), "axes": np.array([1], np.int64)})
    x = np.full((1, N), 30.0, np.float32)
    wanted = np.array([[N * 3000.0**2]], np.float32)
    assert wanted > np.finfo(np.float16).max
    assert relative_error(run(in_precision(content, "fp16"), x), wanted) <= TOLERANCES["fp16"]


def test_a_weight_is_kept_in_the_type_in_which_it_is_used() -> None:
    nodes = [node("MatMul", "x w", "a"), node("Mul", "a w", "b"), node("MatMul", "b v", "y")]
    converted = onnx.load_from_string(in_precision(model(nodes, {"w": square(), "v": square(1)}, (N, N)), "fp16"))
    kept = {tensor.name: tensor.data_type for tensor in converted.graph.initializer}
    assert kept == {"w": TensorProto.FLOAT, "w__fp16": TensorProto.FLOAT16, "v__fp16": TensorProto.FLOAT16}


def test_a_constant_written_as_a_node_is_rounded_too() -> None:
    half = numpy_helper.from_array(np.array(0.5, np.float32), "half")
    nodes = [
        helper.make_node("Constant", [], ["k"], value=half),
        node("MatMul", "x w", "a"),
        node("Add", "a k", "b"),
        node("MatMul", "b w", "y"),
    ]
    content = model(nodes, {"w": square()})
    assert types(in_precision(content, "fp16"))["b"] == ("Add", TensorProto.FLOAT16)
    x = square(3)[:1]
    assert relative_error(run(in_precision(content, "fp16"), x), run(content, x)) <= TOLERANCES["fp16"]


def test_an_output_that_is_also_used_inside_is_given_in_float32() -> None:
    nodes = [node("MatMul", "x w", "a"), node("MatMul", "a w", "y")]
    made = onnx.load_from_string(model(nodes, {"w": square()}))
    made.graph.output.append(helper.make_tensor_value_info("a", TensorProto.FLOAT, (1, N)))
    converted = in_precision(made.SerializeToString(), "fp16")
    assert [spec.dtype for spec in signature(converted)[1]] == ["float32", "float32"]
    loaded(converted)


def branching() -> bytes:
    """x times w; then, where its sum is positive, plus one and else times v."""
    value = helper.make_tensor_value_info
    then = helper.make_graph([node("Add", "a one", "t")], "then", [], [value("t", TensorProto.FLOAT, (1, N))])
    other = helper.make_graph([node("MatMul", "a v", "e")], "else", [], [value("e", TensorProto.FLOAT, (1, N))])
    nodes = [
        node("MatMul", "x w", "a"),
        node("ReduceSum", "a", "s", keepdims=0),
        node("Greater", "s nil", "c"),
        node("If", "c", "y", then_branch=then, else_branch=other),
    ]
    weights = {"w": np.eye(N, dtype=np.float32), "v": square(), "one": np.float32(1), "nil": np.float32(0)}
    return model(nodes, {name: np.asarray(weight) for name, weight in weights.items()})


@pytest.mark.parametrize("sign", [1, -1])
def test_branches_stay_as_they_are_and_find_what_they_read(sign: int) -> None:
    x = np.full((1, N), sign * 0.75, np.float32)
    converted = in_precision(branching(), "fp16")
    loaded(converted)
    assert relative_error(run(converted, x), run(branching(), x)) <= TOLERANCES["fp16"]


@pytest.mark.parametrize("content", [b"", b"not a network", small_graphs.onnx_bytes()[:-40]])
def test_what_is_no_onnx_is_refused(content: bytes) -> None:
    with pytest.raises(BackendError, match="cannot be computed in fp16"):
        in_precision(content, "fp16")


def test_no_operator_is_in_two_classes() -> None:
    assert not PRODUCTS & FOLLOWERS
