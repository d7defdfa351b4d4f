"""Small graphs for runners, made by hand, each beside the arithmetic that it is; and bundles of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from streamkit.bundle import Contract, GraphFiles, ModelBundle, write_bundle
from streamkit.inference import Graph, Wish
from streamkit.inference.onnx_file import signature
from streamkit.preprocess import PreprocessConfig, WindowConfig
from streamkit.recording import Recording
from streamkit.types import OutputSpec, StreamSpec
from tests.small import SFREQ, noise_recording

N_CHANS, N_TIMES = 4, 20
TYPES = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64}
Tensors = Mapping[str, tuple[int, ...]]

WEIGHT = np.random.default_rng(1).standard_normal((N_CHANS, 2)).astype(np.float32)
LEAK = np.float32(0.9)
MAP = (np.random.default_rng(2).standard_normal((6, N_CHANS * N_TIMES)) / 10).astype(np.float32)
RATE = np.float32(0.05)
FEATURES = (np.random.default_rng(3).standard_normal((N_CHANS * N_TIMES, 5)) / 10).astype(np.float32)
ORT = Wish("onnxruntime", threads=1)
SPREAD = 0.5
"""Standard deviation of the clean samples that the denoisers know of."""

ONE = np.float32(1)


def model(nodes: list[Any], inputs: Tensors, outputs: Tensors, constants: Mapping[str, Any], **types: str) -> bytes:
    """ONNX of nodes ``(op, inputs, outputs[, attributes])``; shapes without the batch."""

    def info(tensors: Tensors) -> list[Any]:
        return [
            helper.make_tensor_value_info(name, TYPES[types.get(name, "float32")], ["batch", *shape])
            for name, shape in tensors.items()
        ]

    made = [helper.make_node(op, ins, outs, **(more[0] if more else {})) for op, ins, outs, *more in nodes]
    weights = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(made, "small", info(inputs), info(outputs), weights)
    made_of = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    content: bytes = made_of.SerializeToString()
    return content


def leaky() -> bytes:
    """``next = 0.9 total + mean over time``, ``scores = next @ WEIGHT``."""
    nodes = [
        ("ReduceMean", ["window", "time"], ["mean"], {"keepdims": 0}),
        ("Mul", ["total", "leak"], ["left"]),
        ("Add", ["left", "mean"], ["next"]),
        ("MatMul", ["next", "weight"], ["scores"]),
    ]
    return model(
        nodes,
        {"window": (N_CHANS, N_TIMES), "total": (N_CHANS,)},
        {"scores": (2,), "next": (N_CHANS,)},
        {"time": np.array([2], np.int64), "leak": LEAK, "weight": WEIGHT},
    )


def leaky_answers(windows: np.ndarray, total: np.ndarray | float = 0.0) -> np.ndarray:
    """What `leaky` says of windows that follow each other, ``(n, 2)``."""
    answers = []
    for window in windows:
        total = LEAK * total + window.mean(axis=1)
        answers.append(total @ WEIGHT)
    return np.array(answers)


def descent() -> bytes:
    """One step of gradient descent on ``|image @ MAP - window|²``; the answer is an image of 2 × 3 pixels."""
    nodes = [
        ("Flatten", ["window"], ["wanted"]),
        ("Flatten", ["image"], ["flat"]),
        ("MatMul", ["flat", "map"], ["made"]),
        ("Sub", ["made", "wanted"], ["error"]),
        ("MatMul", ["error", "back"], ["gradient"]),
        ("Mul", ["gradient", "rate"], ["change"]),
        ("Sub", ["flat", "change"], ["better"]),
        ("Reshape", ["better", "shape"], ["next"]),
    ]
    return model(
        nodes,
        {"image": (1, 2, 3), "window": (N_CHANS, N_TIMES)},
        {"next": (1, 2, 3)},
        {"map": MAP, "back": MAP.T.copy(), "rate": RATE, "shape": np.array([-1, 1, 2, 3], np.int64)},
    )


def descended(window: np.ndarray, steps: int, image: np.ndarray | float = 0.0) -> np.ndarray:
    """What so many steps of `descent` make of one window, ``(1, 2, 3)``."""
    flat = np.zeros(6) + np.ravel(image)
    for _ in range(steps):
        flat = flat - RATE * ((flat @ MAP - window.ravel()) @ MAP.T)
    return flat.reshape(1, 2, 3)


def encoder() -> bytes:
    """Five features, linear in the window."""
    nodes = [("Flatten", ["window"], ["flat"]), ("MatMul", ["flat", "weight"], ["features"])]
    return model(nodes, {"window": (N_CHANS, N_TIMES)}, {"features": (5,)}, {"weight": FEATURES})


def features(window: np.ndarray) -> np.ndarray:
    return window.ravel() @ FEATURES


def condition(size: int, scale: float = 1.0) -> bytes:
    """Mean of the window, times `scale`, in each of `size` places."""
    nodes = [
        ("ReduceMean", ["window", "axes"], ["mean"], {"keepdims": 0}),
        ("Unsqueeze", ["mean", "last"], ["column"]),
        ("Mul", ["column", "row"], ["condition"]),
    ]
    constants = {
        "axes": np.array([1, 2], np.int64),
        "last": np.array([1], np.int64),
        "row": np.full((1, size), scale, np.float32),
    }
    return model(nodes, {"window": (N_CHANS, N_TIMES)}, {"condition": (size,)}, constants)


def denoiser(size: int, signal: np.ndarray, gives: str = "epsilon", time: str = "int64") -> bytes:
    """What is best said of a noisy sample when clean ones are normal around the condition, with standard deviation
    `SPREAD`; `signal` is the part of the variance that is signal at each time."""
    nodes = [
        ("Cast", ["time"], ["when"], {"to": TensorProto.INT64}),
        ("Gather", ["signal", "when"], ["level"]),
        ("Unsqueeze", ["level", "last"], ["a"]),
        ("Sqrt", ["a"], ["root"]),
        ("Sub", ["one", "a"], ["b"]),
        ("Sqrt", ["b"], ["rest"]),
        ("Mul", ["root", "condition"], ["middle"]),
        ("Sub", ["sample", "middle"], ["off"]),
        ("Mul", ["a", "variance"], ["scaled"]),
        ("Add", ["scaled", "b"], ["total"]),
        ("Mul", ["root", "variance"], ["top"]),
        ("Div", ["top", "total"], ["gain"]),
        ("Mul", ["gain", "off"], ["correction"]),
        ("Add", ["condition", "correction"], ["clean"]),
        ("Mul", ["root", "clean"], ["seen"]),
        ("Sub", ["sample", "seen"], ["noisy"]),
        ("Div", ["noisy", "rest"], ["noise"]),
    ]
    nodes += {
        "epsilon": [("Identity", ["noise"], ["said"])],
        "sample": [("Identity", ["clean"], ["said"])],
        "v": [
            ("Mul", ["root", "noise"], ["v1"]),
            ("Mul", ["rest", "clean"], ["v2"]),
            ("Sub", ["v1", "v2"], ["said"]),
        ],
    }[gives]
    constants = {
        "signal": signal.astype(np.float32),
        "last": np.array([1], np.int64),
        "one": ONE,
        "variance": np.float32(SPREAD**2),
    }
    inputs: dict[str, tuple[int, ...]] = {"sample": (size,), "time": (), "condition": (size,)}
    return model(nodes, inputs, {"said": (size,)}, constants, time=time)


def painter(size: int) -> bytes:
    """An image ``(1, 2, size / 2)``: half the latent."""
    nodes = [("Mul", ["latent", "half"], ["flat"]), ("Reshape", ["flat", "shape"], ["image"])]
    constants = {"half": np.float32(0.5), "shape": np.array([-1, 1, 2, size // 2], np.int64)}
    return model(nodes, {"latent": (size,)}, {"image": (1, 2, size // 2)}, constants)


def windows(n: int = 3, seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, N_CHANS, N_TIMES)).astype(np.float32)


def reference(content: bytes, n: int = 3, seed: int = 7) -> tuple[Any, Any]:
    """Inputs, and what ONNX Runtime makes of them."""
    import onnxruntime

    rng = np.random.default_rng(seed)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    inputs, outputs = signature(content)
    given = tuple(
        rng.integers(0, 50, (n, *spec.at_batch(1)[1:]))
        if spec.name == "time"
        else rng.standard_normal((n, *spec.at_batch(1)[1:]))
        for spec in inputs
    )
    given = tuple(array.astype(spec.dtype) for array, spec in zip(given, inputs, strict=True))
    rows = [
        session.run([s.name for s in outputs], {s.name: a[i : i + 1] for s, a in zip(inputs, given, strict=True)})
        for i in range(n)
    ]
    said = tuple(np.concatenate(parts) for parts in zip(*rows, strict=True))
    return given[0] if len(given) == 1 else given, said[0] if len(said) == 1 else said


def graph(folder: Path, name: str, content: bytes) -> Graph:
    """The graph as a bundle would have it."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.onnx"
    file.write_bytes(content)
    inputs, outputs = signature(content)
    return Graph(name, inputs, outputs, onnx=file)


SCORES = OutputSpec(kind="values", labels=("left", "right"), shape=(2,))
IMAGE = OutputSpec(kind="image", shape=(1, 2, 3))


def contract(runner: Any, output: OutputSpec, *, on_gap: str = "reset", **window: Any) -> Contract:
    """For the stream of `noise_recording`, band-passed, decoded every eight samples."""
    timing = {"mode": "hop", "hop": 8} if "mode" not in window else {}
    return Contract(
        stream=StreamSpec(type="EEG", ch_names=tuple(f"E{i}" for i in range(N_CHANS)), sfreq=SFREQ, unit="microvolts"),
        preprocess=PreprocessConfig.model_validate(
            {"stages": [{"kind": "bandpass", "low": 1.0, "high": 30.0}], "on_gap": on_gap}
        ),
        window=WindowConfig.model_validate({"n_times": N_TIMES, **timing, **window}),
        output=output,
        runner=runner,
    )


def bundle(
    path: Path,
    graphs: Mapping[str, bytes],
    runner: Any,
    output: OutputSpec,
    tensors: Mapping[str, np.ndarray] | None = None,
    **about: Any,
) -> ModelBundle:
    """A bundle of graphs, with references from ONNX Runtime."""
    return write_bundle(
        path,
        contract=contract(runner, output, **about),
        graphs={name: GraphFiles(onnx=content) for name, content in graphs.items()},
        references={name: reference(content) for name, content in graphs.items()},
        tensors=tensors,
    )


def gappy_recording(seconds: float = 3.0) -> Recording:
    """Noise with gaps of 125, 40, 375 and 7 samples; only who knows the pace of the stream sees the last."""
    whole = noise_recording(seconds=seconds)
    signal = whole.signal()
    stamps = signal.stamps.copy()
    for at, samples in ((210, 125), (330, 40), (560, 375), (660, 7)):
        stamps[at:] += samples / SFREQ
    return replace(whole, signals=(replace(signal, stamps=stamps),))


def check(content: bytes) -> None:
    """Raise where a graph is no valid ONNX."""
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
