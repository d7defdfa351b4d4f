"""What a graph gives back to be fed with its next run."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from streamkit.inference.backend import Array, Arrays
from streamkit.inference.graph import Graph, TensorSpec
from streamkit.inference.runners.base import Parts, contiguous, named, place, tensor_problems

logger = logging.getLogger(__name__)


class Carried:
    """The inputs of a graph: the window, and what an earlier run has left.

    No array is ever written into, so that what was carried at one moment can be kept by keeping `arrays`.

    Parameters
    ----------
    graph
        Whose.
    state
        Name of an input → name of the output that it gets.
    initial
        Name of an input → what it begins with, where that is not zeros.

    Attributes
    ----------
    window
        Place of the window among the inputs.
    arrays
        All inputs, in order.
    """

    def __init__(self, graph: Graph, state: Mapping[str, str], initial: Mapping[str, Array]) -> None:
        self._pairs = [(place(graph.inputs, name), place(graph.outputs, given)) for name, given in state.items()]
        self._initial = {
            place(graph.inputs, name): _beginning(graph.inputs[place(graph.inputs, name)], initial.get(name))
            for name in state
        }
        self.window = graph.inputs.index(window_of(graph, state))
        self.outputs = frozenset(given for _, given in self._pairs)
        self._name = graph.name
        spec = graph.inputs[self.window]
        self.arrays: list[Array] = [np.zeros(spec.at_batch(1), spec.dtype)] * len(graph.inputs)
        self.reset()

    def reset(self, *, but: Sequence[int] = ()) -> None:
        """Begin again, in all inputs but those at the places `but`."""
        for at, array in self._initial.items():
            if at not in but:
                self.arrays[at] = array

    def with_window(self, x: Array) -> list[Array]:
        """All inputs of the next run."""
        self.arrays[self.window] = x
        return self.arrays

    def take(self, outputs: Arrays) -> None:
        """Keep what a run has left for the next."""
        for at, given in self._pairs:
            self.arrays[at] = outputs[given]

    def forget_what_is_not_finite(self) -> None:
        """Begin again when something carried is not finite: every later answer would be spoiled, too."""
        if not all(np.isfinite(self.arrays[at]).all() for at in self._initial):
            logger.warning("what graph %s carries is not finite any more: it begins again", self._name)
            self.reset()


def window_of(graph: Graph, state: Mapping[str, str]) -> TensorSpec:
    """The one input that carries nothing."""
    (window,) = (spec for spec in graph.inputs if spec.name not in state)
    return window


def carried_problems(graph: Graph, state: Mapping[str, str], initial: Mapping[str, str], parts: Parts) -> Iterator[str]:
    """Say what is wrong with the names, shapes and beginnings of what `graph` carries."""
    ins, outs = ([spec.name for spec in specs] for specs in (graph.inputs, graph.outputs))
    for name, given in state.items():
        before, after = named(graph.inputs, name), named(graph.outputs, given)
        if before is None or after is None:
            yield (
                f"graph {graph.name!r} has no input {name!r} or no output {given!r} for the runner's state: "
                f"inputs are {ins}, outputs {outs}"
            )
        elif (before.at_batch(1), before.dtype) != (after.at_batch(1), after.dtype):
            yield (
                f"graph {graph.name!r}: state input {name!r} is {before.dtype} {before.sizes}, but output {given!r} "
                f"is {after.dtype} {after.sizes}: export them alike"
            )
    free = [name for name in ins if name not in state]
    if len(free) != 1:
        yield (
            f"graph {graph.name!r} takes {ins}, of which {free or 'none'} is no state: name in the runner's state "
            "every input but one, the window"
        )
    for name, tensor in initial.items():
        spec = named(graph.inputs, name)
        if spec is None or name not in state:
            yield f"the runner gives an initial value to {name!r}, which is no state: states are {sorted(state)}"
        else:
            yield from tensor_problems(tensor, spec.at_batch(1), parts, spec.dtype)


def _beginning(spec: TensorSpec, initial: Array | None) -> Array:
    return np.zeros(spec.at_batch(1), spec.dtype) if initial is None else contiguous(initial)
