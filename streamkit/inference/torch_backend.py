"""PyTorch on the processor: a registered builder makes the module, safetensors fill it."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from streamkit.errors import BackendError, MissingPackage, require
from streamkit.inference.backend import Arrays, Backend
from streamkit.inference.graph import Graph
from streamkit.inference.settings import Settings

GROUP = "streamkit.models"


class TorchBackend(Backend):
    """One module in eval mode, run in inference mode.

    The number of threads is torch's own setting and holds for the whole process.
    """

    name = "torch"

    def _open(self, graph: Graph, settings: Settings) -> None:
        self._torch: Any = require("torch", "train", "the torch backend")
        self._torch.set_num_threads(settings.threads)
        module = build(graph)
        self._module: Any = load_weights(module, graph).eval().requires_grad_(False)

    def _run(self, arrays: Arrays) -> Arrays:
        # The module may hand back a view of its input or of a buffer, hence the clone of what is not a fresh tensor.
        with self._torch.inference_mode():
            result = self._module(*map(self._torch.from_numpy, arrays))
            tensors = result if isinstance(result, tuple) else (result,)
            return tuple(tensor.clone().numpy() for tensor in tensors)

    def _close(self) -> None:
        del self._module


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
        return builders[graph.builder].load()(**graph.builder_args)
    except MissingPackage:
        raise
    except Exception as error:
        raise BackendError(
            f"builder {graph.builder!r} could not make graph {graph.name!r} from {graph.builder_args}: "
            f"{type(error).__name__}: {error}"
        ) from error


def load_weights(module: Any, graph: Graph) -> Any:
    """`module` with the weights of `graph` in it."""
    if graph.weights is None:
        raise BackendError(f"graph {graph.name!r} has a builder but no weights (a .safetensors file)")
    from safetensors.torch import load

    content = graph.read(graph.weights)
    try:
        module.load_state_dict(load(content))
    except Exception as error:
        raise BackendError(f"{graph.weights} does not fit builder {graph.builder!r}: {error}") from error
    return module
