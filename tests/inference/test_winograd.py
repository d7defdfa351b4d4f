"""Wide convolutions in tiles give what the convolutions give, for fewer products."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from streamkit.inference import Graph, Settings, TensorSpec, winograd  # noqa: E402
from streamkit.inference.onnxruntime_backend import OnnxRuntimeBackend  # noqa: E402
from streamkit.inference.winograd import KERNELS, TILES, Layer, in_tiles, toom_cook  # noqa: E402


def network(
    kernel: int | tuple[int, int] = 5,
    n_in: int = 96,
    n_out: int = 96,
    size: tuple[int, int] = (21, 34),
    batch: int | str = "batch",
    biased: bool = True,
    **attributes: Any,
) -> bytes:
    """One convolution between two activations, an output before it and one after it."""
    rng = np.random.default_rng(0)
    sizes = (kernel, kernel) if isinstance(kernel, int) else kernel
    weight = rng.standard_normal((n_out, n_in // attributes.get("group", 1), *sizes)) / np.sqrt(n_in * np.prod(sizes))
    tensors = [numpy_helper.from_array(weight.astype(np.float32), "w")]
    if biased:
        tensors.append(numpy_helper.from_array(rng.standard_normal(n_out).astype(np.float32), "b"))
    nodes = [
        helper.make_node("Tanh", ["x"], ["before"]),
        helper.make_node("Conv", ["before", *(tensor.name for tensor in tensors)], ["made"], **attributes),
        helper.make_node("Relu", ["made"], ["y"]),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (
            ("x", (batch, n_in, *size)),
            ("before", (batch, n_in, *size)),
            ("y", (batch, n_out, "h", "w")),
        )
    ]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    content: bytes = model.SerializeToString()
    return content


def answers(content: bytes, x: np.ndarray) -> list[np.ndarray]:
    """What ONNX Runtime says."""
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    said: list[np.ndarray] = session.run(None, {"x": x})
    return said


def operators(content: bytes) -> list[str]:
    """Of the graph, in order."""
    return [node.op_type for node in onnx.load_model_from_string(content).graph.node]


def window(batch: int, n_in: int = 96, size: tuple[int, int] = (21, 34)) -> np.ndarray:
    """Noise."""
    return np.random.default_rng(1).standard_normal((batch, n_in, *size)).astype(np.float32)


@pytest.mark.parametrize(("n_out", "n_taps"), [(m, k) for k in KERNELS for m in range(1, max(TILES) - k + 2)])
def test_pointwise_products_correlate(n_out: int, n_taps: int) -> None:
    rng = np.random.default_rng(2)
    tile, kernel = rng.standard_normal(n_out + n_taps - 1), rng.standard_normal(n_taps)
    out, of_kernel, of_tile = toom_cook(n_out, n_taps)
    said = out @ ((of_kernel @ kernel) * (of_tile @ tile))
    np.testing.assert_allclose(said, np.correlate(tile, kernel, "valid"), atol=1e-12)


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles are used wherever they can be, whether it pays or not."""
    monkeypatch.setattr(winograd, "GAIN", 0.0)
    monkeypatch.setattr(winograd, "SMALL", 0)


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("pads", [(0, 0, 0, 0), (2, 2, 2, 2), (1, 0, 2, 3)])
@pytest.mark.parametrize("kernel", [3, 4, 5, 7])
def test_in_tiles_a_convolution_says_the_same(kernel: int, pads: tuple[int, ...], batch: int) -> None:
    content = network(kernel, pads=pads)
    tiled = in_tiles(content, batch)
    assert "DepthToSpace" in operators(tiled)
    for wanted, got in zip(answers(content, window(batch)), answers(tiled, window(batch)), strict=True):
        assert got.shape == wanted.shape
        assert np.abs(got - wanted).max() <= 2e-5 * np.abs(wanted).max()


def test_without_a_bias_nothing_is_added() -> None:
    content = network(biased=False)
    tiled = in_tiles(content)
    assert "Add" not in operators(tiled)
    (_, wanted), (_, got) = answers(content, window(1)), answers(tiled, window(1))
    assert np.abs(got - wanted).max() <= 2e-5 * np.abs(wanted).max()


def test_the_same_file_gives_the_same_bytes() -> None:
    assert in_tiles(network()) == in_tiles(network())


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize(
    "other",
    [
        {"strides": (2, 2)},
        {"dilations": (2, 2)},
        {"group": 2},
        {"auto_pad": "SAME_UPPER"},
        {"kernel": (5, 3)},
        {"kernel": 1},
        {"kernel": 9},
        {"size": ("rows", "cols")},
    ],
    ids=str,
)
def test_what_cannot_be_done_in_tiles_is_left_as_it_is(other: dict[str, Any]) -> None:
    content = network(**other)
    assert in_tiles(content) == content


@pytest.mark.parametrize("other", [{"n_in": 8, "n_out": 3072}, {"size": (5, 5)}, {"n_in": 8, "n_out": 8}], ids=str)
def test_where_it_does_not_pay_nothing_changes(other: dict[str, Any]) -> None:
    content = network(**other)
    assert in_tiles(content) == content


@pytest.mark.usefixtures("always")
def test_weights_that_are_computed_are_left_alone() -> None:
    model = onnx.load_model_from_string(network())
    model.graph.node.insert(0, helper.make_node("Neg", ["w"], ["minus_w"]))
    next(node for node in model.graph.node if node.op_type == "Conv").input[1] = "minus_w"
    content = model.SerializeToString()
    assert in_tiles(content) == content


@pytest.mark.usefixtures("always")
def test_what_is_not_onnx_is_left_to_the_runtime_to_refuse() -> None:
    assert in_tiles(bytes(2**18)) == bytes(2**18)


def test_two_convolutions_of_one_kernel_are_both_done_in_tiles() -> None:
    model = onnx.load_model_from_string(network(pads=(2, 2, 2, 2)))
    model.graph.node.append(helper.make_node("Conv", ["made", "w"], ["again"], pads=(2, 2, 2, 2)))
    model.graph.output.append(helper.make_tensor_value_info("again", TensorProto.FLOAT, ("batch", 96, 21, 34)))
    content = model.SerializeToString()
    tiled = in_tiles(content)
    assert operators(tiled).count("DepthToSpace") == 2
    wanted, got = answers(content, window(1))[-1], answers(tiled, window(1))[-1]
    assert np.abs(got - wanted).max() <= 4e-5 * np.abs(wanted).max()


def test_the_tile_of_5_x_5_kernels_takes_a_sixth_of_the_products() -> None:
    layer = Layer(480, 256, 5, (36, 64), (36, 64), (2, 2, 2, 2))
    assert layer.tile(batch=1) == 8
    assert layer.tiles(8) == (9, 16)
    assert layer.operations(1) / (2 * 64 * 480 * 256 * 144) == pytest.approx(6.25, rel=0.01)


def test_few_tiles_do_not_pay_for_weights_that_grow() -> None:
    assert Layer(512, 512, 3, (4, 4), (4, 4), (1, 1, 1, 1)).tile(batch=1) == 0
    assert Layer(512, 512, 3, (4, 4), (4, 4), (1, 1, 1, 1)).tile(batch=64) > 0


def test_the_onnxruntime_backend_computes_in_tiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import streamkit.inference.onnxruntime_backend as backend_file

    given: list[bytes] = []
    monkeypatch.setattr(
        backend_file, "in_tiles", lambda content, batch: given.append(in_tiles(content, batch)) or given[0]
    )
    file = tmp_path / "wide.onnx"
    file.write_bytes(network(pads=(2, 2, 2, 2)))
    graph = Graph(
        "wide",
        (TensorSpec(name="x", shape=(None, 96, 21, 34)),),
        (
            TensorSpec(name="before", shape=(None, 96, 21, 34)),
            TensorSpec(name="y", shape=(None, 96, 21, 34)),
        ),
        file,
    )
    with OnnxRuntimeBackend().open(graph, Settings(batch=2)) as backend:
        got = backend.run(window(2))[1]
    assert "DepthToSpace" in operators(given[0])
    wanted = answers(file.read_bytes(), window(2))[1]
    assert np.abs(got - wanted).max() <= 2e-5 * np.abs(wanted).max()
