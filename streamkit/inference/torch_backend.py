"""PyTorch, eager: a registered builder makes the module, safetensors fill it.

The GPU part was *not run*: written without a GPU.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

import numpy as np

from streamkit.errors import BackendError, MissingPackage, require
from streamkit.inference.backend import Arrays, Backend, said
from streamkit.inference.graph import Graph
from streamkit.inference.settings import Device, Settings

GROUP = "streamkit.models"
SLACK = 1 << 28
"""Bytes that a module may take beyond its weights, for tensors it makes by itself."""


class TorchBackend(Backend):
    """One module in eval mode, run in inference mode on tensors that share the memory of `buffers`.

    On a GPU `buffers` are page-locked, and each operation is launched by itself.
    """

    name = "torch"

    @classmethod
    def why_not(cls, device: Device) -> str:
        """See `Backend.why_not`."""
        if device == "cpu":
            return ""
        from streamkit.inference import torch_cuda

        return torch_cuda.why_not()

    def _open(self, graph: Graph, settings: Settings) -> None:
        self._on_gpu: Any = None
        if settings.device == "cuda":
            from streamkit.inference.torch_cuda import OnGpu

            self._on_gpu = OnGpu(graph, settings)
            self.buffers = self._on_gpu.inputs
            return
        torch = require("torch", "train", "the torch backend")
        module = load_weights(build(graph), graph).eval().requires_grad_(False)
        self._torch: Any = torch
        self._module: Any = module
        self._n_outputs = len(graph.outputs)
        self._inputs = tuple(torch.from_numpy(buffer) for buffer in self.buffers)

    def _run(self, arrays: Arrays) -> Arrays:
        if self._on_gpu is not None:
            outputs: Arrays = self._on_gpu.run()
            return outputs
        torch = self._torch
        # Torch's number of threads belongs to the calling thread, and another backend may have set it.
        if torch.get_num_threads() != self.settings.threads:
            torch.set_num_threads(self.settings.threads)
        with torch.inference_mode():
            result = self._module(*self._inputs)
        results = result if isinstance(result, tuple | list) else (result,)
        if len(results) != self._n_outputs:
            raise BackendError(
                f"the module gives {len(results)} outputs, its graph names {self._n_outputs}: install the version of "
                "the package that built it"
            )
        # A result may be a view of an input, of a weight or of what the module keeps.
        return tuple(np.array(part.numpy(), order="C") for part in results)

    def _close(self) -> None:
        self._on_gpu = self._module = None
        self._inputs = ()


def build(graph: Graph) -> Any:
    """Module of `graph` with fresh weights, made by its registered builder.

    Raises
    ------
    BackendError
        When the graph names no builder, an unknown one, or one that does not take its arguments.
    """
    if graph.builder is None:
        raise BackendError(
            f"graph {graph.name!r} names no builder (it was packed from an ONNX file), so torch cannot run it: "
            "use the openvino or onnxruntime backend"
        )
    builders = {point.name: point for point in entry_points(group=GROUP)}
    if graph.builder not in builders:
        raise BackendError(
            f"graph {graph.name!r} was built by {graph.builder!r}, which no installed package registers under the "
            f"entry-point group {GROUP!r} (registered: {', '.join(sorted(builders)) or 'none'}). "
            "Install the package it came from, or use the openvino or onnxruntime backend"
        )
    try:
        builder = builders[graph.builder].load()
        _check_size(builder, graph)
        return builder(**graph.builder_args)
    except (MissingPackage, BackendError):
        raise
    except Exception as error:
        raise BackendError(
            f"builder {graph.builder!r} could not make graph {graph.name!r} from {graph.builder_args}: "
            f"{type(error).__name__}: {said(error)}"
        ) from error


def _check_size(builder: Any, graph: Graph) -> None:
    """Refuse arguments that ask for far more memory than there are weights, before it is taken."""
    torch = require("torch", "train", "the torch backend")
    if graph.weights is None:
        return
    try:
        with torch.device("meta"):
            sketch = builder(**graph.builder_args)
    except Exception:  # some builders need numbers while they build; what is wrong with the arguments, they will say
        return
    needed = sum(tensor.numel() * tensor.element_size() for tensor in (*sketch.parameters(), *sketch.buffers()))
    if needed > graph.weights.stat().st_size + SLACK:
        raise BackendError(
            f"builder {graph.builder!r} would take {needed} bytes with the arguments of graph {graph.name!r}, far more "
            f"than {graph.weights} holds: copy the bundle again"
        )


def load_weights(module: Any, graph: Graph) -> Any:
    """`module` with the weights of `graph` in it."""
    if graph.weights is None:
        raise BackendError(f"graph {graph.name!r} has a builder but no weights (a .safetensors file)")
    from safetensors.torch import load

    content = graph.read(graph.weights)
    try:
        module.load_state_dict(load(content))
    except Exception as error:
        raise BackendError(f"{graph.weights} does not fit builder {graph.builder!r}: {said(error)}") from error
    return module
