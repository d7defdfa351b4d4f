"""A graph in 8 bits that is near enough to the float32 one, and how near."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from calibration.int8 import Arrays, Method, misfit, outputs_of, quantise
from calibration.progress import Progress
from streamkit.bundle import ModelBundle
from streamkit.errors import CheckFailed
from streamkit.inference import Graph, Settings, open_backend, prove
from streamkit.inference.settings import TOLERANCES, Precision

MARGIN = 2.0
"""The tolerance of an int8 graph is so many times its largest error on the reference pairs on any backend here: another
processor or version of a runtime rounds otherwise, another network is further off."""

CEILING = 0.25
"""Largest tolerance: a graph that needs more is off by an eighth of its largest output, and not written."""


@dataclass(frozen=True)
class Small:
    """One graph in 8 bits.

    Attributes
    ----------
    onnx
        Content of its file.
    method
        How its ranges were set.
    misfits
        Method → mean error on the windows that set the ranges (`calibration.int8.misfit`).
    errors
        Backend → largest relative error on the reference pairs.
    tolerance
        What passes its proof.
    size, full_size
        Bytes of the file, and of the float32 one.
    """

    onnx: bytes = field(repr=False)
    method: Method
    misfits: Mapping[Method, float]
    errors: Mapping[str, float]
    tolerance: float
    full_size: int

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return len(self.onnx)


def smallest_misfit(
    graph: Graph, inputs: Arrays, methods: Sequence[Method], reduce_range: bool, progress: Progress
) -> Small:
    """Quantise a graph with each method and take the one that fits the windows it was made with best."""
    full = graph.read(graph.onnx_file())
    wanted = outputs_of(graph, full, inputs)
    made: dict[Method, bytes] = {}
    misfits: dict[Method, float] = {}
    for method in methods:
        made[method] = quantise(graph, inputs, method, reduce_range)
        misfits[method] = misfit(wanted, outputs_of(graph, made[method], inputs))
        progress.advance(f"{method} {misfits[method]:.2%}")
    best = min(misfits, key=lambda method: misfits[method] if np.isfinite(misfits[method]) else np.inf)
    return Small(made[best], best, misfits, {}, 1.0, len(full))


def error_of(backend: str, bundle: ModelBundle, name: str, precision: Precision, threads: int) -> float:
    """Largest relative error of a graph on its reference pairs, whatever is allowed.

    Raises
    ------
    BackendError
        When the graph does not run there.
    """
    reference = bundle.references()[name]
    with open_backend(backend, bundle.graphs[name], Settings(threads, precision=precision)) as opened:
        return prove(opened, reference, float("inf"))


def tolerance_for(name: str, errors: Mapping[str, float]) -> float:
    """What may pass the proof of an int8 graph; see `MARGIN`.

    Raises
    ------
    CheckFailed
        When that is more than `CEILING`.
    """
    backend, error = max(errors.items(), key=lambda item: item[1])
    if not MARGIN * error <= CEILING:
        raise CheckFailed(
            f"in int8, outputs of graph {name!r} are off by {error:.2g} of the largest ({backend}), at most "
            f"{CEILING / MARGIN:g} is allowed: no bundle was written. Try another --method, more --windows, or stay "
            "with float32"
        )
    return max(MARGIN * error, TOLERANCES["bf16"])
