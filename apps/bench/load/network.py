"""The decoder of the load job: a small network with fixed weights, written as ONNX by hand, and its bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.bench.load.job import LoadJob, signal_block
from streamkit.bundle import Contract, GraphFiles, ModelBundle, Provenance, write_bundle
from streamkit.errors import require
from streamkit.preprocess import Preprocessor, fit_preprocess
from streamkit.types import Chunk, OutputSpec

N_FACTORS, N_HIDDEN = 128, 64
LABELS = ("vx", "vy")
FIT_BLOCKS = 4
Weights = dict[str, NDArray[np.float32]]


def weights(n_chans: int, n_times: int, seed: int = 0) -> Weights:
    """Random weights: channels → factors at each time step, all of them → hidden → outputs."""
    rng = np.random.default_rng(seed)
    shapes = {"mix": (N_FACTORS, n_chans), "hidden": (N_FACTORS * n_times, N_HIDDEN), "out": (N_HIDDEN, len(LABELS))}
    fan_in = {"mix": n_chans, "hidden": N_FACTORS * n_times, "out": N_HIDDEN}
    return {k: (rng.standard_normal(s) / np.sqrt(fan_in[k])).astype(np.float32) for k, s in shapes.items()}


def answers(parts: Weights, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the network says to ``(n, n_chans, n_times)``, by arithmetic."""
    factors = np.maximum(parts["mix"] @ x, 0).reshape(len(x), -1)
    out: NDArray[np.float32] = np.maximum(factors @ parts["hidden"], 0) @ parts["out"]
    return out


def onnx_of(parts: Weights, n_chans: int, n_times: int) -> bytes:
    """Return the network as ONNX: ``(batch, n_chans, n_times)`` → ``(batch, 2)``."""
    onnx = require("onnx", "onnx", "making the network of the benchmark")
    helper = onnx.helper
    chain = [("MatMul", ["mix", "x"], {}), ("Relu", None, {}), ("Flatten", None, {"axis": 1})]
    chain += [("MatMul", ["", "hidden"], {}), ("Relu", None, {}), ("MatMul", ["", "out"], {})]
    nodes, previous = [], "x"
    for number, (kind, inputs, options) in enumerate(chain):
        name = "y" if number == len(chain) - 1 else f"{kind.lower()}_{number}"
        nodes.append(helper.make_node(kind, [i or previous for i in inputs or [""]], [name], **options))
        previous = name
    value, float32 = helper.make_tensor_value_info, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "load",
        [value("x", float32, ["batch", n_chans, n_times])],
        [value("y", float32, ["batch", len(LABELS)])],
        [onnx.numpy_helper.from_array(array, name) for name, array in parts.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    content: bytes = model.SerializeToString()
    return content


def write_bundle_of(job: LoadJob, out: Path) -> ModelBundle:
    """Fit the thresholds, as calibration does, and write the bundle that decodes the job."""
    n_chans, n_times = job.n_chans, job.window.n_times
    parts = weights(n_chans, n_times)
    x = np.random.default_rng(1).poisson(0.2, (4, n_chans, n_times)).astype(np.float32)
    contract = Contract(
        stream=job.stream,
        preprocess=fit_preprocess(job.stream, job.preprocess, [_training(job)]),
        window=job.window,
        output=OutputSpec(kind="values", labels=LABELS, shape=(len(LABELS),)),
    )
    return write_bundle(
        out,
        contract=contract,
        graphs={contract.runner.graph: GraphFiles(onnx_of(parts, n_chans, n_times))},
        references={contract.runner.graph: (x, answers(parts, x))},
        provenance=Provenance(simulated=True, seed=0, note="the fixed network of the load benchmark, untrained"),
    )


def expected(job: LoadJob, bundle: ModelBundle, n_predictions: int) -> NDArray[np.float32]:
    """``(n, 2)`` the first predictions, from the signal in one pass."""
    n_samples = min(job.n_samples, job.n_window + (n_predictions - 1) * job.n_hop)
    signal = np.resize(signal_block(job), (n_samples, job.n_chans))
    contract = bundle.contract
    processed = Preprocessor(contract.stream, contract.preprocess).process(_chunk(job, signal)).data
    step, length = contract.window.hop or 1, contract.window.n_times
    windows = [processed[first : first + length].T for first in range(0, len(processed) - length + 1, step)]
    return answers(weights(job.n_chans, length), np.stack(windows))


def _training(job: LoadJob) -> list[Chunk]:
    block = signal_block(job)
    return [_chunk(job, block, number * len(block)) for number in range(FIT_BLOCKS)]


def _chunk(job: LoadJob, data: NDArray[Any], first: int = 0) -> Chunk:
    return Chunk(data, (first + np.arange(len(data))) / job.sfreq, first)
