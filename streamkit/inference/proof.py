"""Backends prove themselves on reference pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamkit.errors import BackendError
from streamkit.inference.backend import Array, Arrays, Backend
from streamkit.inference.graph import Graph
from streamkit.inference.settings import TOLERANCES, Settings
from streamkit.inference.table import open_backend

WARM_UP_CALLS = 3
"""Calls after which a backend is warm; those of its proof count."""

Reference = tuple[Array | Arrays, Array | Arrays]
"""Inputs ``(n, ...)`` and the outputs ``(n, ...)`` that belong to them; tuples where a graph has several of them."""


def arrays_of(side: Array | Arrays) -> Arrays:
    """One side of a reference as a tuple."""
    return side if isinstance(side, tuple) else (side,)


def example(reference: Reference) -> Arrays:
    """Inputs of a single run, at batch 1."""
    return tuple(x[:1] for x in arrays_of(reference[0]))


def prove(backend: Backend, reference: Reference, tolerance: float = TOLERANCES["float32"]) -> float:
    """Run the reference inputs one by one, as live does, and compare with the reference outputs.

    Parameters
    ----------
    backend
        Open, at batch 1.
    reference
        Inputs and outputs; the batch comes first.
    tolerance
        Largest error that passes.

    Returns
    -------
    float
        Largest absolute difference of any output, relative to the largest absolute value of that reference output.

    Raises
    ------
    BackendError
        When the shapes differ, or the error is larger than `tolerance` or not a number.
    """
    inputs, outputs = map(arrays_of, reference)
    answers = [backend.run(*(x[i : i + 1] for x in inputs)) for i in range(len(inputs[0]))]
    got = [np.concatenate(parts) for parts in zip(*answers, strict=True)]
    if [array.shape for array in got] != [array.shape for array in outputs]:
        raise BackendError(
            f"backend {backend.name!r} gave outputs of shape {_shapes(got)}, the reference has {_shapes(outputs)}"
        )
    error = float(np.max([_relative_error(*pair) for pair in zip(got, outputs, strict=True)]))
    # Written so that what is not a number is an error, too.
    if not error <= tolerance:
        raise BackendError(
            f"backend {backend.name!r} failed its proof: its outputs differ from the reference by {error:.2g} "
            f"(relative), allowed is {tolerance:g}"
        )
    return error


def _relative_error(got: Array, wanted: Array) -> float:
    scale = float(np.max(np.abs(wanted))) or 1.0
    return float(np.max(np.abs(got.astype(np.float64) - wanted))) / scale


def _shapes(arrays: Sequence[Array]) -> str:
    return " and ".join(str(array.shape) for array in arrays)


def open_proven(
    name: str, graph: Graph, reference: Reference, settings: Settings | None = None
) -> tuple[Backend, float]:
    """Open a backend and make it prove itself, which also pays the cost of its first calls.

    Returns
    -------
    Backend, float
        Open and warm, and the relative error of its proof.
    """
    settings = settings or Settings()
    backend = open_backend(name, graph, settings)
    try:
        error = prove(backend, reference, graph.tolerance(settings.precision))
        for _ in range(WARM_UP_CALLS - len(arrays_of(reference[0])[0])):
            backend.run(*example(reference))
    except BaseException:
        backend.close()
        raise
    return backend, error
