"""The networks of `models/table.py` at their published sizes, as a bundle would hold them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from streamkit.errors import require
from streamkit.inference import Graph, Reference

if TYPE_CHECKING:
    from torch import nn

N_SETTLE, N_REFERENCE = 16, 8
N_TIMES_OF_DIFFUSION = 1000
WHY = "making the networks of the benchmark"
Array = NDArray[np.float32]
Arrays = tuple[Array, ...]


@dataclass(frozen=True)
class Network:
    """One network, in every form a backend could want.

    Attributes
    ----------
    module
        In eval mode, on the processor.
    graph
        Files of the same.
    inputs, answers
        One array ``(N_REFERENCE, ...)`` for each input, and what torch says to them.
    """

    name: str
    module: nn.Module
    graph: Graph
    inputs: Arrays
    answers: Array

    @property
    def reference(self) -> Reference:
        """What a backend has to prove itself on."""
        return self.inputs, self.answers

    def batch(self, n: int) -> tuple[Arrays, Array]:
        """`n` items of each input, repeated where there are not enough, and their answers."""
        index = np.arange(n) % len(self.answers)
        return tuple(np.ascontiguousarray(each[index]) for each in self.inputs), self.answers[index]


def make(name: str, folder: Path, seed: int = 0) -> Network:
    """Build one network of the table with random weights, settle and export it into `folder`."""
    torch = require("torch", "train", WHY)
    from safetensors.numpy import save_file

    from calibration.export import export_graph, reference_pair
    from calibration.network import builder_of
    from models.table import MODELS

    row = MODELS[name]
    torch.manual_seed(seed)
    module = builder_of(row.builder)(**row.args)
    inputs = examples(row.inputs, N_SETTLE, seed)
    settle(module, *inputs)
    files = export_graph(
        module, inputs, builder=row.builder, builder_args=row.args, input_names=input_names(len(inputs))
    )
    onnx, weights = folder / f"{name}.onnx", folder / f"{name}.safetensors"
    onnx.write_bytes(files.onnx)
    save_file({key: np.ascontiguousarray(value) for key, value in (files.state_dict or {}).items()}, weights)
    given, answers = reference_pair(module, inputs, N_REFERENCE)
    return Network(name, module, graph_of(name, row.builder, onnx, weights, row.args), tuple(given), answers)


def graph_of(name: str, builder: str, onnx: Path, weights: Path, args: dict[str, Any]) -> Graph:
    """Graph of the files, with the builder's arguments as a bundle's manifest would give them back."""
    from streamkit.inference.onnx_file import signature

    inputs, outputs = signature(onnx.read_bytes())
    arguments = json.loads(json.dumps(args))
    return Graph(name, inputs, outputs, onnx=onnx, builder=builder, builder_args=arguments, weights=weights)


def input_names(n: int) -> tuple[str, ...]:
    """What the inputs of a graph are called."""
    return ("input",) if n == 1 else tuple(f"input_{number}" for number in range(n))


def examples(shapes: Sequence[tuple[int, ...]], n: int, seed: int) -> Arrays:
    """`n` items of each input of a network, by their shapes; see `example`."""
    return tuple(example(shape, n, seed + at) for at, shape in enumerate(shapes))


def example(shape: tuple[int, ...], n: int, seed: int) -> Array:
    """White noise ``(n, *shape)``; for shape ``()`` times of a diffusion, whole numbers."""
    if shape:
        return noise((n, *shape), seed)
    return np.random.default_rng(seed).integers(0, N_TIMES_OF_DIFFUSION, n).astype(np.float32)


def noise(shape: tuple[int, ...], seed: int) -> Array:
    """White noise of unit variance."""
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def settle(module: nn.Module, *inputs: Array) -> None:
    """Give normalising layers the statistics of what reaches them, as training would, and go to eval mode.

    Without it activations of a deep network of random weights grow or vanish, and vanishing numbers are slow ones.
    """
    torch = require("torch", "train", WHY)
    from models.linear import FeatureReadout

    module.eval()
    tensors = [torch.from_numpy(each) for each in inputs]
    norms = [layer for layer in module.modules() if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm)]
    with torch.no_grad():
        if isinstance(module, FeatureReadout):
            features = module.features(*tensors).numpy()
            module.set_standardisation(features.mean(0), features.std(0))
        for layer in norms:
            layer.reset_running_stats()
            layer.momentum = None
            layer.train()
        module(*tensors)
    module.eval()
