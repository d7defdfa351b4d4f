"""A trained prior as graphs of a bundle, for the runner ``diffusion``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.export import TOLERANCE, export_graph
from calibration.generation.prior import BUILDER, TrainedPrior
from streamkit.bundle import GraphFiles
from streamkit.errors import CheckFailed, require
from streamkit.inference import Reference
from streamkit.inference.runners import DiffusionConfig

INPUTS = ("sample", "time", "condition")
DENOISER, UNSCALE = "denoiser", "unscale"
PROOFS = 8
Array = NDArray[Any]


@dataclass(frozen=True)
class PriorParts:
    """What a bundle needs of a prior: `write_bundle` takes `graphs` and `references`, its contract `runner`.

    Attributes
    ----------
    runner
        Its `condition` names the graph that makes a brain embedding of a window, which the bundle has besides.
    shape
        Of an answer: ``(dim,)`` image features.
    """

    runner: DiffusionConfig
    graphs: dict[str, GraphFiles]
    references: dict[str, Reference]
    shape: tuple[int, ...]


def prior_parts(prior: TrainedPrior, condition: str = "encoder") -> PriorParts:
    """Export a prior, and prove that ONNX Runtime says what torch says.

    Raises
    ------
    CheckFailed
        When it does not, within 1e-4 of the largest value.
    """
    dim, given = prior.args["embedding"], prior.args["condition"]
    rng = np.random.default_rng(0)
    inputs = (
        rng.standard_normal((PROOFS, dim), np.float32),
        np.linspace(0, prior.settings.train_steps - 1, PROOFS).round().astype(np.float32),
        rng.standard_normal((PROOFS, given), np.float32),
    )
    denoiser = export_graph(
        prior.module, inputs, builder=BUILDER, builder_args=prior.args, input_names=INPUTS, output_names=("noise",)
    )
    said = _said(prior.module, inputs)
    check(denoiser, inputs, said)
    graphs, references = {DENOISER: denoiser}, {DENOISER: (inputs, said)}
    more: dict[str, object] = {"condition": condition}
    if prior.scale != 1.0:
        last = _unscaled(prior.scale)
        features = inputs[:1]
        graphs[UNSCALE] = export_graph(last, features, input_names=("sample",), output_names=("features",))
        references[UNSCALE] = (features[0], _said(last, features))
        more["decoder"] = UNSCALE
    return PriorParts(prior.settings.runner(**more), graphs, references, (dim,))


def check(files: GraphFiles, inputs: tuple[Array, ...], outputs: Array, tolerance: float = TOLERANCE) -> float:
    """Largest difference of what ONNX Runtime says, over the largest value.

    Raises
    ------
    CheckFailed
        When it is above `tolerance`.
    """
    runtime = require("onnxruntime", "train", "checking an export")
    session = runtime.InferenceSession(files.onnx, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    (found,) = session.run(None, dict(zip(names, inputs, strict=True)))
    error = float(np.max(np.abs(found - outputs)) / np.max(np.abs(outputs)))
    if not error <= tolerance:
        raise CheckFailed(
            f"the exported prior differs from torch by {error:.2g}, allowed is {tolerance:g}: do not use it"
        )
    return error


def _said(module: Any, inputs: tuple[Array, ...]) -> Array:
    """What torch says, one row at a time as live does."""
    torch = require("torch", "train", "exporting a model")
    with torch.inference_mode():
        rows = [module(*(torch.from_numpy(each[k : k + 1]) for each in inputs)).numpy() for k in range(len(inputs[0]))]
    return np.concatenate(rows)


def _unscaled(scale: float) -> Any:
    """A module that divides by the scale that the features were multiplied by."""
    torch = require("torch", "train", "exporting a model")

    class Unscaled(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("factor", torch.tensor(1.0 / scale))

        def forward(self, x: Any) -> Any:
            return x * self.factor

    return Unscaled().eval()
