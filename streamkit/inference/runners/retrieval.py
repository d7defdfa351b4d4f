"""retrieval: how near what a graph makes of a window is to each of a number of templates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import numpy as np
from pydantic import PositiveFloat

from streamkit.inference.backend import Array, Backend
from streamkit.inference.runners.base import (
    Clock,
    Parts,
    Runner,
    RunnerSettings,
    Values,
    contiguous,
    single_problems,
    tensor_problems,
    window_problems,
)


class RetrievalConfig(RunnerSettings):
    """One graph that makes features of a window, and templates to compare them with.

    Parameters
    ----------
    graph
        Name of the graph; its first output is the features.
    templates
        Name of the bundle's tensor ``(n_templates, n_features)`` float32, one row for each entry of the contract's
        ``output.labels``.
    metric
        ``"cosine"``: of the angle between features and template; ``"dot"``: their inner product.
    temperature
        Similarities are divided by it before the contract's activation: with ``"softmax"``, the smaller the surer.
    """

    kind: Literal["retrieval"] = "retrieval"
    graph: str = "encoder"
    templates: str = "templates"
    metric: Literal["cosine", "dot"] = "cosine"
    temperature: PositiveFloat = 1.0

    @property
    def needs(self) -> tuple[str, ...]:
        """The one graph."""
        return (self.graph,)

    def _problems(self, parts: Parts) -> Iterator[str]:
        graph = parts.graphs[self.graph]
        yield from single_problems(graph)
        yield from window_problems(graph, graph.input, parts)
        features = graph.output.at_batch(1)
        if len(features) != 2 or graph.output.dtype != "float32":
            yield (
                f"graph {graph.name!r} gives {graph.output.dtype} {graph.output.sizes}, expected features, float32 "
                "(batch, n_features): export it with them flat"
            )
        yield from tensor_problems(self.templates, (None, features[1]), parts)
        templates = parts.tensors[self.templates]
        if parts.output.shape != templates.shape[:1]:
            yield (
                f"tensor {self.templates!r} has {len(templates)} templates, the contract's output.shape is "
                f"{parts.output.shape}: give output.labels one name per template"
            )
        zeros = np.flatnonzero(~templates.any(axis=1))
        if self.metric == "cosine" and len(zeros):
            yield (
                f"tensor {self.templates!r}: template {zeros[0]} is all zeros and has no direction for the cosine: "
                'leave it out, or take metric = "dot"'
            )

    def build(self, opened: Mapping[str, Backend], parts: Parts, clock: Clock) -> Retrieval:
        """Compose it."""
        return Retrieval(self, opened, parts)


class Retrieval(Runner):
    """Runner of one graph and the templates that its features are compared with."""

    def __init__(self, config: RetrievalConfig, opened: Mapping[str, Backend], parts: Parts) -> None:
        self._graph = opened[config.graph]
        templates = parts.tensors[config.templates].astype(np.float64)
        self._cosine = config.metric == "cosine"
        if self._cosine:
            templates /= np.linalg.norm(templates, axis=1, keepdims=True)
        self._templates = contiguous((templates / config.temperature).astype(np.float32))
        # In one place for good: where an array lies may decide how its products are summed.
        self._features = np.zeros(templates.shape[1], np.float32)
        super().__init__(opened, self._graph.buffers[0], parts.output)

    def infer(self, x: Array, at: int = 0, steps: int | None = None) -> Values:
        """Compare the window's features with every template."""
        self._features[:] = self._graph.infer(x)[0]
        if self._cosine:
            length = float(np.linalg.norm(self._features.astype(np.float64)))
            self._features /= np.float32(length or 1.0)  # features of zeros are like no template
        return self._activated((self._templates @ self._features)[np.newaxis])

    def rehearse(self, x: Array) -> Values:
        """The same: nothing is carried."""
        return self.infer(x)
