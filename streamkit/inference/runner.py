"""Runners compose graphs into one answer per window."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from streamkit.errors import BackendError
from streamkit.inference.backend import Array, Backend
from streamkit.inference.graph import Graph
from streamkit.inference.contest import close_all, contest, winner
from streamkit.inference.proof import Reference, open_proven
from streamkit.inference.settings import Settings
from streamkit.inference.table import BACKENDS
from streamkit.types import OutputSpec

logger = logging.getLogger(__name__)


class RunnerConfig(BaseModel):
    """How the graphs of a bundle become one answer.

    Parameters
    ----------
    kind
        ``"feedforward"``: one graph, once per window.
    graph
        Name of that graph.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["feedforward"] = "feedforward"
    graph: str = "decoder"


class Runner(Protocol):
    """Answers windows, one at a time.

    Attributes
    ----------
    backend
        Name of the backend in use.
    output_shape
        Shape of an answer.
    """

    backend: str
    output_shape: tuple[int, ...]

    def infer(self, x: Array) -> NDArray[np.float32]:
        """Answer one window ``(1, n_chans, n_times)`` float32; no batch axis, activation applied, caller's own."""
        ...

    def close(self) -> None:
        """Let go of the graphs."""
        ...


def activate(logits: Array, activation: str) -> NDArray[np.float32]:
    """Apply ``"softmax"`` (over all entries), ``"sigmoid"`` or ``"none"``, in float64, to one answer."""
    if activation == "none":
        return np.asarray(logits, np.float32)
    wide = logits.astype(np.float64)
    if activation == "softmax":
        powers = np.exp(wide - wide.max())
        wide = powers / powers.sum()
    else:
        wide = 0.5 * (1.0 + np.tanh(0.5 * wide))
    return np.asarray(wide, np.float32)


class FeedForward:
    """Runner of one graph, once per window."""

    def __init__(self, opened: Backend, output: OutputSpec) -> None:
        self.backend = opened.name
        self.output_shape = output.shape
        self._opened, self._activation = opened, output.activation

    def infer(self, x: Array) -> NDArray[np.float32]:
        """Answer one window ``(1, n_chans, n_times)`` float32; see `Runner`."""
        return activate(self._opened.infer(x)[0], self._activation)

    def close(self) -> None:
        """Close the backend."""
        self._opened.close()


def open_runner(
    config: RunnerConfig,
    graphs: Mapping[str, Graph],
    references: Mapping[str, Reference],
    output: OutputSpec,
    backend: str = "auto",
    threads: int = 1,
) -> Runner:
    """Open the runner of a bundle, proven on its reference pair and warm.

    Parameters
    ----------
    backend
        A name from `BACKENDS`, or ``"auto"`` for the fastest that passes its proof here.
    threads
        Threads per inference.

    Raises
    ------
    BackendError
        When the named backend is absent, cannot run the graph or fails its proof; with ``"auto"``, when all do.
    """
    if config.graph not in graphs or config.graph not in references:
        raise BackendError(
            f"the runner needs graph {config.graph!r} with a reference pair; there are graphs "
            f"{sorted(graphs)} and references for {sorted(references)}"
        )
    graph, reference = graphs[config.graph], references[config.graph]
    if graph.output.at_batch(1)[1:] != output.shape:
        raise BackendError(f"graph {graph.name!r} gives {graph.output.shape}, the contract says {output.shape}")
    if backend != "auto":
        return FeedForward(open_proven(backend, graph, reference, Settings(threads))[0], output)
    return FeedForward(_fastest(graph, reference, threads), output)


def _fastest(graph: Graph, reference: Reference, threads: int) -> Backend:
    trials = contest(graph, reference, [(name, Settings(threads)) for name in BACKENDS])
    best: Backend | None = None
    try:
        first = winner(trials)
        best = first.backend
    finally:
        close_all(trials, keep=best)
    if best is None:
        raise BackendError("no backend was opened")
    logger.info("backend auto: using %s (relative error %.1e)", first.name, first.error)
    return best
