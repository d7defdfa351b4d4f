"""feedforward: one graph, once per window; what it carries from window to window, if anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from pydantic import Field

from streamkit.inference.backend import Array, Backend
from streamkit.inference.graph import Graph, TensorSpec
from streamkit.inference.runners.base import (
    Clock,
    Parts,
    Runner,
    RunnerSettings,
    Values,
    named,
    output_problems,
    place,
    window_problems,
)
from streamkit.inference.runners.carried import Carried, carried_problems, window_of


class FeedForwardConfig(RunnerSettings):
    """One graph, once per window.

    Parameters
    ----------
    graph
        Its name.
    answer
        The output that is the answer; by default the first.
    state
        Name of an input → name of the output that it gets with the next window. Every input but the window is one.
    initial
        Name of such an input → tensor of the bundle that it begins with; zeros where none is named.
    """

    kind: Literal["feedforward"] = "feedforward"
    graph: str = "decoder"
    answer: str | None = None
    state: dict[str, str] = Field(default_factory=dict)
    initial: dict[str, str] = Field(default_factory=dict)

    @property
    def needs(self) -> tuple[str, ...]:
        """The one graph."""
        return (self.graph,)

    def _problems(self, parts: Parts) -> Iterator[str]:
        graph = parts.graphs[self.graph]
        yield from carried_problems(graph, self.state, self.initial, parts)
        yield from window_problems(graph, window_of(graph, self.state), parts)
        yield from answer_problems(graph, self.answer, parts)

    def build(self, opened: Mapping[str, Backend], parts: Parts, clock: Clock) -> FeedForward:
        """Compose it."""
        return FeedForward(self, opened, parts)


class FeedForward(Runner):
    """Runner of one graph, once per window."""

    def __init__(self, config: FeedForwardConfig, opened: Mapping[str, Backend], parts: Parts) -> None:
        graph = parts.graphs[config.graph]
        self._graph = opened[config.graph]
        self._carried = Carried(
            graph, config.state, {name: parts.tensors[tensor] for name, tensor in config.initial.items()}
        )
        self._answer = place(graph.outputs, answer_of(graph, config.answer).name)
        super().__init__(opened, self._graph.buffers[self._carried.window], parts.output)

    def infer(self, x: Array, at: int = 0, steps: int | None = None) -> Values:
        """Run the graph on the window and what it left last time."""
        outputs = self._graph.run(*self._carried.with_window(x))
        if self._carried.outputs:
            self._carried.take(outputs)
            self._carried.forget_what_is_not_finite()
        answer = outputs[self._answer]
        return self._activated(answer.copy() if self._answer in self._carried.outputs else answer)

    def rehearse(self, x: Array) -> Values:
        """Run the graph; what it leaves is dropped."""
        return self._activated(self._graph.run(*self._carried.with_window(x))[self._answer])

    def reset(self) -> None:
        """Carry nothing into the next window."""
        self._carried.reset()


def answer_of(graph: Graph, name: str | None) -> TensorSpec:
    """The output that is the answer; the first where none is named, or none of that name."""
    return (named(graph.outputs, name) if name is not None else None) or graph.output


def answer_problems(graph: Graph, name: str | None, parts: Parts) -> Iterator[str]:
    """Say so when there is no such output, or it is not what the contract gives."""
    if name is not None and named(graph.outputs, name) is None:
        outs = [spec.name for spec in graph.outputs]
        yield f"graph {graph.name!r} has no output {name!r} for the runner's answer, only {outs}"
    yield from output_problems(graph, answer_of(graph, name), parts.output)
