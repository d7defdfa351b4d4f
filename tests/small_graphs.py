"""A linear decoder small enough for every test: as ONNX made by hand, as weights, and as arithmetic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from streamkit.bundle import Contract, GraphFiles
from streamkit.inference import Graph, RunnerConfig, TensorSpec
from streamkit.preprocess import PreprocessConfig, WindowConfig
from streamkit.types import OutputSpec, StreamSpec

N_CHANS, N_TIMES, SFREQ = 3, 8, 100.0
LABELS = ("left", "right")
WEIGHT = np.random.default_rng(0).standard_normal((2, N_CHANS * N_TIMES)).astype(np.float32)
BIAS = np.array([0.5, -0.25], np.float32)
BUILDER_ARGS: dict[str, Any] = {"n_chans": N_CHANS, "n_times": N_TIMES, "out_shape": [2], "sfreq": SFREQ}


def windows(n: int = 4) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((n, N_CHANS, N_TIMES)).astype(np.float32)


def answers(x: np.ndarray) -> np.ndarray:
    return (x.reshape(len(x), -1) @ WEIGHT.T + BIAS).astype(np.float32)


def onnx_model(
    weight: np.ndarray = WEIGHT, batch: str | int = "batch", dtype: int = TensorProto.FLOAT
) -> onnx.ModelProto:
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weight", "bias"], ["y"], transB=1),
    ]
    kind = helper.tensor_dtype_to_np_dtype(dtype)
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("x", dtype, [batch, N_CHANS, N_TIMES])],
        [helper.make_tensor_value_info("y", dtype, [batch, 2])],
        [
            numpy_helper.from_array(weight.astype(kind), "weight"),
            numpy_helper.from_array(BIAS.astype(kind), "bias"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def onnx_bytes(**options: Any) -> bytes:
    return onnx_model(**options).SerializeToString()


def state_dict() -> dict[str, np.ndarray]:
    return {
        "readout.mean": np.zeros(N_CHANS * N_TIMES, np.float32),
        "readout.scale": np.ones(N_CHANS * N_TIMES, np.float32),
        "readout.linear.weight": WEIGHT,
        "readout.linear.bias": BIAS,
    }


def graph_files(*, with_builder: bool = True) -> GraphFiles:
    if not with_builder:
        return GraphFiles(onnx_bytes())
    return GraphFiles(onnx_bytes(), "linear", BUILDER_ARGS, state_dict())


def graph(folder: Path, **changes: Any) -> Graph:
    from safetensors.numpy import save_file

    onnx_path, weights = folder / "decoder.onnx", folder / "decoder.safetensors"
    onnx_path.write_bytes(onnx_bytes())
    save_file(state_dict(), weights)
    parts: dict[str, Any] = {
        "name": "decoder",
        "input": TensorSpec(name="x", shape=(None, N_CHANS, N_TIMES)),
        "output": TensorSpec(name="y", shape=(None, 2)),
        "onnx": onnx_path,
        "builder": "linear",
        "builder_args": BUILDER_ARGS,
        "weights": weights,
    }
    return Graph(**(parts | changes))


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
