"""iterative: a graph that improves an answer step by step, a fixed number of times or while there is time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, Self

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from streamkit.inference.backend import Array, Arrays, Backend
from streamkit.inference.runners.base import Clock, Parts, Runner, RunnerSettings, Values, named, place, window_problems
from streamkit.inference.runners.carried import Carried, carried_problems, window_of
from streamkit.inference.runners.feedforward import answer_of, answer_problems

Start = Literal["initial", "noise", "previous"]


class IterativeConfig(RunnerSettings):
    """One graph, many times per window: each run gets the window and what the run before has left.

    Parameters
    ----------
    graph
        Its name.
    state
        Name of an input → name of the output that it gets with the next step. Every input but the window is one.
    answer
        The output that is the answer, after the last step; by default the first.
    initial
        Name of a state → tensor of the bundle that it begins with; zeros where none is named.
    start
        Name of a state → how each window begins: with its ``"initial"`` value, as those that are not named here do;
        with ``"noise"``, standard normal and the same for the same seed and place in the stream; or with what the
        ``"previous"`` window came to, which a gap forgets where preprocessing begins anew after gaps.
    seed
        Of the noise.
    max_steps
        Steps per window; the most, where there is a budget.
    budget_ms
        Milliseconds per window. No step is begun that would end later if it took as long as the one before. How many
        were taken is part of the prediction.
    min_steps
        Steps that are taken whatever the time.
    """

    kind: Literal["iterative"] = "iterative"
    graph: str = "step"
    state: dict[str, str] = Field(min_length=1)
    answer: str | None = None
    initial: dict[str, str] = Field(default_factory=dict)
    start: dict[str, Start] = Field(default_factory=dict)
    seed: NonNegativeInt = 0
    max_steps: PositiveInt
    budget_ms: PositiveFloat | None = None
    min_steps: PositiveInt = 1

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.min_steps > self.max_steps:
            raise ValueError(f"min_steps is {self.min_steps}, more than max_steps, {self.max_steps}")
        for name, start in self.start.items():
            if name not in self.state:
                raise ValueError(f"start names {name!r}, which is no state: states are {sorted(self.state)}")
            if start == "noise" and name in self.initial:
                raise ValueError(f"state {name!r} cannot begin with noise and an initial value: leave one out")
        return self

    @property
    def needs(self) -> tuple[str, ...]:
        """The one graph."""
        return (self.graph,)

    @property
    def repeated(self) -> frozenset[str]:
        """The one graph."""
        return frozenset(self.needs)

    def _problems(self, parts: Parts) -> Iterator[str]:
        graph = parts.graphs[self.graph]
        yield from carried_problems(graph, self.state, self.initial, parts)
        yield from window_problems(graph, window_of(graph, self.state), parts)
        yield from answer_problems(graph, self.answer, parts)
        for name in self._starting("noise"):
            spec = named(graph.inputs, name)
            if spec is not None and not spec.dtype.startswith("float"):
                yield f"graph {graph.name!r}: state {name!r} is {spec.dtype} and cannot begin with noise"

    def build(self, opened: Mapping[str, Backend], parts: Parts, clock: Clock) -> Iterative:
        """Compose it."""
        return Iterative(self, opened, parts, clock)

    def _starting(self, how: Start) -> list[str]:
        return [name for name, start in self.start.items() if start == how]


class Iterative(Runner):
    """Runner of one graph that is run again and again on the same window."""

    def __init__(self, config: IterativeConfig, opened: Mapping[str, Backend], parts: Parts, clock: Clock) -> None:
        graph = parts.graphs[config.graph]
        self._config, self._clock = config, clock
        self._budget = None if config.budget_ms is None else config.budget_ms / 1e3
        self._graph = opened[config.graph]
        self._carried = Carried(
            graph, config.state, {name: parts.tensors[tensor] for name, tensor in config.initial.items()}
        )
        self._kept = [place(graph.inputs, name) for name, start in config.start.items() if start == "previous"]
        noisy = [place(graph.inputs, name) for name, start in config.start.items() if start == "noise"]
        self._noisy = [(at, graph.inputs[at].at_batch(1), graph.inputs[at].dtype) for at in noisy]
        self._answer = place(graph.outputs, answer_of(graph, config.answer).name)
        super().__init__(opened, self._graph.buffers[self._carried.window], parts.output)

    def infer(self, x: Array, at: int = 0, steps: int | None = None) -> Values:
        """Step until the number is reached or the time is over; `steps` says how many it were."""
        began = last = self._clock()
        self._begin(x, at)
        budget = self._budget if steps is None else None
        outputs: Arrays = ()
        taken = 0
        while taken < (self._config.max_steps if steps is None else steps):
            outputs = self._step()
            taken += 1
            if budget is None:
                continue
            now = self._clock()
            if taken >= self._config.min_steps and (now - began) + (now - last) > budget:
                break
            last = now
        self.steps = taken
        if self._kept:
            self._carried.forget_what_is_not_finite()
        return self._activated(outputs[self._answer].copy())

    def rehearse(self, x: Array) -> Values:
        """Take one step, and go back to where it was."""
        carried = list(self._carried.arrays)
        self._begin(x, 0)
        outputs = self._step()
        self._carried.arrays = carried
        return self._activated(outputs[self._answer])

    def reset(self) -> None:
        """Begin the next window without what the previous one came to."""
        self._carried.reset()

    def _begin(self, x: Array, at: int) -> None:
        self._carried.reset(but=self._kept)
        self._carried.with_window(self._in_place(x))
        if self._noisy:
            rng = np.random.default_rng([self._config.seed, at])
            for spec_at, shape, dtype in self._noisy:
                self._carried.arrays[spec_at] = rng.standard_normal(shape).astype(dtype)

    def _step(self) -> Arrays:
        outputs = self._graph.run(*self._carried.arrays)
        self._carried.take(outputs)
        return outputs
