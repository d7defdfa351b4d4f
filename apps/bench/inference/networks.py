"""The networks of `models/table.py` at their published sizes, as a bundle would hold them."""

from __future__ import annotations

import json
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
WHY = "making the networks of the benchmark"
Array = NDArray[np.float32]


@dataclass(frozen=True)
class Network:
    """One network, in every form a backend could want.

    Attributes
    ----------
    module
        In eval mode, on the processor.
    graph
        Files of the same.
    reference
        Windows ``(N_REFERENCE, n_chans, n_times)`` and what torch says to them.
    """

    name: str
    module: nn.Module
    graph: Graph
    reference: Reference

    def batch(self, n: int) -> tuple[Array, Array]:
        """``(n, n_chans, n_times)`` windows, repeated where there are not enough, and their answers."""
        windows, answers = self.reference
        index = np.arange(n) % len(windows)
        return np.ascontiguousarray(windows[index]), answers[index]


def make(name: str, folder: Path, seed: int = 0) -> Network:
    """Build one network of the table with random weights, settle and export it into `folder`."""
    torch = require("torch", "train", WHY)
    from safetensors.numpy import save_file

    from calibration.export import export_graph, reference_pair
    from calibration.network import builder_of
    from models.table import MODELS

    args = MODELS[name].arguments
    torch.manual_seed(seed)
    module = builder_of(name)(**args)
    windows = noise((N_SETTLE, args["n_chans"], args["n_times"]), seed)
    settle(module, windows)
    files = export_graph(module, windows, builder=name, builder_args=args)
    onnx, weights = folder / f"{name}.onnx", folder / f"{name}.safetensors"
    onnx.write_bytes(files.onnx)
    save_file({key: np.ascontiguousarray(value) for key, value in (files.state_dict or {}).items()}, weights)
    reference = reference_pair(module, windows, N_REFERENCE)
    return Network(name, module, graph_of(name, onnx, weights, args), reference)


def graph_of(name: str, onnx: Path, weights: Path, args: dict[str, Any]) -> Graph:
    """Graph of the files, with the builder's arguments as a bundle's manifest would give them back."""
    from streamkit.inference.onnx_file import signature

    inputs, outputs = signature(onnx.read_bytes())
    arguments = json.loads(json.dumps(args))
    return Graph(name, inputs, outputs, onnx=onnx, builder=name, builder_args=arguments, weights=weights)


def noise(shape: tuple[int, ...], seed: int) -> Array:
    """White noise of unit variance."""
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def settle(module: nn.Module, windows: Array) -> None:
    """Give normalising layers the statistics of what reaches them, as training would, and go to eval mode.

    Without it activations of a deep network of random weights grow or vanish, and vanishing numbers are slow ones.
    """
    torch = require("torch", "train", WHY)
    from models.linear import FeatureReadout

    module.eval()
    x = torch.from_numpy(windows)
    norms = [layer for layer in module.modules() if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm)]
    with torch.no_grad():
        if isinstance(module, FeatureReadout):
            features = module.features(x).numpy()
            module.set_standardisation(features.mean(0), features.std(0))
        for layer in norms:
            layer.reset_running_stats()
            layer.momentum = None
            layer.train()
        module(x)
    module.eval()
