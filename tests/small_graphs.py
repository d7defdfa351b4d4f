"""Networks small enough for every test: as ONNX made by hand, as weights, and as arithmetic.

`graph` is a linear decoder. `pair_graph` has two inputs and two outputs, the second of which is a state.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from streamkit.bundle import Contract, Effect, GraphFiles, ReducedFiles
from streamkit.inference import Graph, RunnerConfig, TensorSpec
from streamkit.inference.graph import Reduced
from streamkit.preprocess import PreprocessConfig, WindowConfig
from streamkit.types import OutputSpec, StreamSpec

N_CHANS, N_TIMES, SFREQ = 3, 8, 100.0
LABELS = ("left", "right")
WEIGHT = np.random.default_rng(0).standard_normal((2, N_CHANS * N_TIMES)).astype(np.float32)
BIAS = np.array([0.5, -0.25], np.float32)
BUILDER_ARGS: dict[str, Any] = {"n_chans": N_CHANS, "n_times": N_TIMES, "out_shape": [2], "sfreq": SFREQ}
EFFECT = Effect(name="accuracy", full=0.8, reduced=0.79, ci95=(-0.03, 0.01), n=100)
INT8_TOLERANCE = 0.05
PAIR_POINT = EntryPoint("pair", "tests.small_graphs:build_pair", "streamkit.models")


def windows(n: int = 4) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((n, N_CHANS, N_TIMES)).astype(np.float32)


def answers(x: np.ndarray) -> np.ndarray:
    return (x.reshape(len(x), -1) @ WEIGHT.T + BIAS).astype(np.float32)


def model_of(
    nodes: list[Any], inputs: dict[str, list[Any]], outputs: dict[str, list[Any]], **tensors: np.ndarray
) -> Any:
    """A float32 ONNX model of `nodes`, with shapes of its inputs and outputs and the tensors it keeps."""
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(array, name) for name, array in tensors.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def onnx_model(
    weight: np.ndarray = WEIGHT, batch: str | int = "batch", dtype: int = TensorProto.FLOAT
) -> onnx.ModelProto:
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weight", "bias"], ["y"], transB=1),
    ]
    kind = helper.tensor_dtype_to_np_dtype(dtype)
    shapes = {"x": [batch, N_CHANS, N_TIMES]}, {"y": [batch, 2]}
    model = model_of(nodes, *shapes, weight=weight.astype(kind), bias=BIAS.astype(kind))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = dtype
    return model


def onnx_bytes(**options: Any) -> bytes:
    return onnx_model(**options).SerializeToString()


def int8_bytes() -> bytes:
    """The same decoder with weights and windows of eight bits (QuantizeLinear, DequantizeLinear)."""
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "x_scale", "zero"], ["x_int"]),
        helper.make_node("DequantizeLinear", ["x_int", "x_scale", "zero"], ["x_few"]),
        helper.make_node("Flatten", ["x_few"], ["flat"]),
        helper.make_node("DequantizeLinear", ["w_int", "w_scale", "zeros"], ["w_few"], axis=0),
        helper.make_node("Gemm", ["flat", "w_few", "bias"], ["y"], transB=1),
    ]
    w_scale = (np.abs(WEIGHT).max(1) / 127).astype(np.float32)
    tensors = {
        "x_scale": np.float32(4 / 127),
        "zero": np.int8(0),
        "w_int": np.round(WEIGHT / w_scale[:, None]).astype(np.int8),
        "w_scale": w_scale,
        "zeros": np.zeros(2, np.int8),
        "bias": BIAS,
    }
    shapes = {"x": ["batch", N_CHANS, N_TIMES]}, {"y": ["batch", 2]}
    return model_of(nodes, *shapes, **{name: np.asarray(array) for name, array in tensors.items()}).SerializeToString()


def state_dict() -> dict[str, np.ndarray]:
    return {
        "readout.mean": np.zeros(N_CHANS * N_TIMES, np.float32),
        "readout.scale": np.ones(N_CHANS * N_TIMES, np.float32),
        "readout.linear.weight": WEIGHT,
        "readout.linear.bias": BIAS,
    }


def graph_files(*, with_builder: bool = True, with_int8: bool = False) -> GraphFiles:
    reduced: Any = {"int8": ReducedFiles(int8_bytes(), INT8_TOLERANCE, (EFFECT,))} if with_int8 else {}
    if not with_builder:
        return GraphFiles(onnx_bytes(), reduced=reduced)
    return GraphFiles(onnx_bytes(), "linear", BUILDER_ARGS, state_dict(), reduced)


def graph(folder: Path, *, with_int8: bool = False, **changes: Any) -> Graph:
    from safetensors.numpy import save_file

    onnx_path, weights, int8 = folder / "decoder.onnx", folder / "decoder.safetensors", folder / "decoder.int8.onnx"
    onnx_path.write_bytes(onnx_bytes())
    int8.write_bytes(int8_bytes())
    save_file(state_dict(), weights)
    parts: dict[str, Any] = {
        "name": "decoder",
        "inputs": (TensorSpec(name="x", shape=(None, N_CHANS, N_TIMES)),),
        "outputs": (TensorSpec(name="y", shape=(None, 2)),),
        "onnx": onnx_path,
        "builder": "linear",
        "builder_args": BUILDER_ARGS,
        "weights": weights,
        "reduced": {"int8": Reduced(int8, INT8_TOLERANCE)} if with_int8 else {},
    }
    return Graph(**(parts | changes))


def pair_answers(window: np.ndarray, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the network of two inputs says, and its next state."""
    following = (0.5 * state + window).astype(np.float32)
    return answers(following), following


def pair_bytes() -> bytes:
    nodes = [
        helper.make_node("Mul", ["state", "half"], ["kept"]),
        helper.make_node("Add", ["kept", "window"], ["next"]),
        helper.make_node("Flatten", ["next"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weight", "bias"], ["y"], transB=1),
    ]
    shape = ["batch", N_CHANS, N_TIMES]
    shapes = {"window": shape, "state": shape}, {"y": ["batch", 2], "next": shape}
    return model_of(nodes, *shapes, weight=WEIGHT, bias=BIAS, half=np.full(1, 0.5, np.float32)).SerializeToString()


def build_pair(**_: Any) -> Any:
    """Builder of the torch module with two inputs; tests register it as `PAIR_POINT`."""
    import torch

    class Pair(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = torch.nn.Linear(N_CHANS * N_TIMES, 2)

        def forward(self, window: Any, state: Any) -> Any:
            following = 0.5 * state + window
            return self.linear(following.flatten(1)), following

    return Pair()


def pair_graph(folder: Path) -> Graph:
    from safetensors.numpy import save_file

    onnx_path, weights = folder / "pair.onnx", folder / "pair.safetensors"
    onnx_path.write_bytes(pair_bytes())
    save_file({"linear.weight": WEIGHT, "linear.bias": BIAS}, weights)
    shape = (None, N_CHANS, N_TIMES)
    inputs = TensorSpec(name="window", shape=shape), TensorSpec(name="state", shape=shape)
    outputs = TensorSpec(name="y", shape=(None, 2)), TensorSpec(name="next", shape=shape)
    return Graph("pair", inputs, outputs, onnx_path, "pair", {}, weights)


def contract(**changes: Any) -> Contract:
    parts: dict[str, Any] = {
        "stream": StreamSpec(type="EEG", ch_names=("C3", "Cz", "C4"), sfreq=SFREQ, unit="microvolts"),
        "preprocess": PreprocessConfig(),
        "window": WindowConfig(mode="hop", n_times=N_TIMES, hop=4),
        "output": OutputSpec(kind="probabilities", labels=LABELS, shape=(2,), activation="softmax", chance=0.5),
        "runner": RunnerConfig(),
    }
    return Contract(**(parts | changes))


def references() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {"decoder": (windows(), answers(windows()))}
