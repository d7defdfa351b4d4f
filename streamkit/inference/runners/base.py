"""What every runner is: settings that say what they need of a bundle, and graphs that give one answer per window."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from streamkit.inference.backend import Array, Backend
from streamkit.inference.choice import Choice
from streamkit.inference.graph import Graph, TensorSpec
from streamkit.types import OutputSpec

Clock = Callable[[], float]
"""Seconds from any origin."""

Values = NDArray[np.float32]


@dataclass(frozen=True)
class Parts:
    """What there is for a runner to be made of.

    Attributes
    ----------
    graphs
        By name.
    tensors
        Further arrays of the bundle by name.
    output
        What an answer must be.
    window
        ``(n_chans, n_times)`` of the windows that will come; None where nobody says.
    """

    graphs: Mapping[str, Graph]
    tensors: Mapping[str, Array]
    output: OutputSpec
    window: tuple[int, int] | None = None


class Runner(ABC):
    """Answers windows, one at a time.

    Parameters
    ----------
    opened
        Its graphs by name, open and proven; the one that takes longest first.
    buffer
        See below.
    output
        What an answer is.

    Attributes
    ----------
    backend
        Name of the backend in use, that of the first graph.
    output_shape
        Shape of an answer.
    buffer
        ``(1, n_chans, n_times)`` float32, the input of the network itself: a window that is written here and given to
        `infer` is not copied on its way.
    steps
        How many steps the last answer took; None in a runner that repeats nothing.
    choices
        What runs each of its graphs.
    """

    def __init__(self, opened: Mapping[str, Backend], buffer: Array, output: OutputSpec) -> None:
        self._opened = dict(opened)
        self.backend: str = next(iter(self._opened.values())).name
        self.output_shape = output.shape
        self._activation = output.activation
        self.buffer = buffer
        self.steps: int | None = None
        self.choices: Mapping[str, Choice] = {}

    @abstractmethod
    def infer(self, x: Array, at: int = 0, steps: int | None = None) -> Values:
        """Answer one window.

        Parameters
        ----------
        x
            ``(1, n_chans, n_times)`` float32.
        at
            Index of its newest sample in the processed stream: what is drawn at random depends on the seed and on this
            alone, so that the same window gets the same answer live and offline.
        steps
            Take exactly as many, whatever the time: an answer given before is given again. None for as many as the
            settings say.

        Returns
        -------
        ndarray
            ``output_shape`` float32, activation applied, owned by the caller.
        """

    @abstractmethod
    def rehearse(self, x: Array) -> Values:
        """Run every graph once and leave no trace: what it says is no answer, and later answers are the same bits."""

    def reset(self) -> None:  # noqa: B027 - most runners carry nothing
        """Forget what earlier windows have left."""

    def close(self) -> None:
        """Let go of the graphs."""
        for opened in self._opened.values():
            opened.close()

    def _in_place(self, x: Array) -> Array:
        """`buffer` with `x` in it, for who runs a graph on it more than once; what does not fit is not copied."""
        if x is self.buffer or x.shape != self.buffer.shape or x.dtype != self.buffer.dtype:
            return x
        np.copyto(self.buffer, x)
        return self.buffer

    def _activated(self, answer: Array) -> Values:
        """What the contract's activation makes of an answer with its batch axis."""
        return activate(answer[0], self._activation)


class Rehearsal(Runner):
    """Stands for a runner where nothing may change: rehearses what it is given."""

    def __init__(self, runner: Runner) -> None:
        self.backend, self.output_shape, self.buffer = runner.backend, runner.output_shape, runner.buffer
        self.steps, self.choices = None, runner.choices
        self._runner = runner

    def infer(self, x: Array, at: int = 0, steps: int | None = None) -> Values:
        """Rehearse."""
        return self._runner.rehearse(x)

    def rehearse(self, x: Array) -> Values:
        """Rehearse."""
        return self._runner.rehearse(x)

    def close(self) -> None:
        """Nothing: the graphs are the runner's."""


class RunnerSettings(BaseModel, ABC):
    """How the graphs of a bundle become one answer, as its contract states it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @property
    @abstractmethod
    def needs(self) -> tuple[str, ...]:
        """Names of its graphs, the one that takes longest first."""

    @property
    def repeated(self) -> frozenset[str]:
        """Names of the graphs that run again and again for one answer."""
        return frozenset()

    def lacks(self, parts: Parts) -> str:
        """Why no runner can be made of `parts`: what is wrong, and what to do; empty when one can."""
        for name in self.needs:
            if name not in parts.graphs:
                return f"the runner needs graph {name!r}, there are {sorted(parts.graphs)}"
        return next(self._problems(parts), "")

    @abstractmethod
    def _problems(self, parts: Parts) -> Iterator[str]:
        """Find what does not fit; the graphs are there."""

    @abstractmethod
    def build(self, opened: Mapping[str, Backend], parts: Parts, clock: Clock) -> Runner:
        """Compose the runner of graphs that are open, at batch 1, and of parts that lack nothing."""


def activate(logits: Array, activation: str) -> Values:
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


def named(specs: tuple[TensorSpec, ...], name: str) -> TensorSpec | None:
    """The tensor of this name; None when there is none."""
    return next((spec for spec in specs if spec.name == name), None)


def place(specs: tuple[TensorSpec, ...], name: str) -> int:
    """Its place among the inputs, or outputs, of a graph."""
    return [spec.name for spec in specs].index(name)


def window_problems(graph: Graph, spec: TensorSpec, parts: Parts) -> Iterator[str]:
    """Say so when input `spec` of `graph` does not take the contract's windows."""
    if parts.window is None:
        return
    n_chans, n_times = parts.window
    if spec.dtype != "float32" or spec.at_batch(1) != (1, n_chans, n_times):
        yield (
            f"graph {graph.name!r} takes {spec.dtype} {spec.sizes}, the contract makes windows of float32 "
            f"(batch, {n_chans} channels, {n_times} samples). Change the contract's channels or window.n_times, or "
            "export the graph for this window"
        )


def output_problems(graph: Graph, spec: TensorSpec, output: OutputSpec) -> Iterator[str]:
    """Say so when output `spec` of `graph` is not what the contract gives."""
    if spec.at_batch(1)[1:] != output.shape:
        yield (
            f"graph {graph.name!r} gives {spec.sizes}, the contract's output.shape is {output.shape}. Change "
            "output.labels and output.shape, or export the graph for this output"
        )


def single_problems(graph: Graph) -> Iterator[str]:
    """Say so when a graph takes more than the window."""
    if len(graph.inputs) > 1:
        names = ", ".join(spec.name for spec in graph.inputs)
        yield f"graph {graph.name!r} takes {len(graph.inputs)} inputs ({names}), expected the window alone"


def tensor_problems(name: str, shape: tuple[int | None, ...], parts: Parts, dtype: str = "float32") -> Iterator[str]:
    """Say so when a tensor of the bundle is missing, not finite, or of another shape (None: any size) or dtype."""
    found = parts.tensors.get(name)
    if found is None:
        yield f"the runner needs tensor {name!r}, there are {sorted(parts.tensors)}: write the bundle with it"
        return
    fits = len(found.shape) == len(shape) and all(
        size in (None, there) for size, there in zip(shape, found.shape, strict=True)
    )
    if not fits or str(found.dtype) != dtype:
        expected = ", ".join("any" if size is None else str(size) for size in shape)
        yield f"tensor {name!r} is {found.dtype} of shape {found.shape}, expected {dtype} of shape ({expected})"
    elif not np.isfinite(found).all():
        yield f"tensor {name!r} holds values that are not finite: write the bundle again with finite ones"


def contiguous(array: Array) -> NDArray[Any]:
    """Return a copy in C order that belongs to nobody else."""
    return np.array(array, order="C", copy=True)
