"""EncodingSpec: which graph predicts the brain's answer to which stimuli, and where that answer lies in time."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from streamkit.errors import ConfigError
from streamkit.inference import Graph
from streamkit.inference.runners import Parts
from streamkit.inference.runners.base import single_problems, tensor_problems
from streamkit.preprocess import WindowConfig
from streamkit.preprocess.window import OffsetS, check_window
from streamkit.types import StreamSpec


class EncodingSpec(BaseModel):
    """A graph that says what the processed signal should be after each of a number of known stimuli.

    Parameters
    ----------
    graph
        Its name: float32 ``(batch, n_features)`` to ``(batch, n_chans, n_times)``, channels as processed.
    features
        The bundle's tensor ``(n_stimuli, n_features)`` float32, a row for each of `labels`.
    labels
        Marker labels of the stimuli, word for word.
    n_times
        Processed samples of an epoch.
    tmin, baseline
        Where it begins, and what is subtracted from the recorded one; as `WindowConfig` has them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    graph: str = "decoder"
    features: str = "stimulus_features"
    labels: tuple[str, ...] = Field(min_length=1)
    n_times: PositiveInt
    tmin: OffsetS = 0.0
    baseline: tuple[OffsetS, OffsetS] | None = None

    @model_validator(mode="after")
    def _each_once(self) -> EncodingSpec:
        if len(set(self.labels)) < len(self.labels):
            twice = next(label for k, label in enumerate(self.labels) if label in self.labels[:k])
            raise ValueError(f"labels: {twice!r} is there more than once; give each stimulus one row of features")
        return self

    @property
    def window(self) -> WindowConfig:
        """How recorded epochs are cut; over a gap none is."""
        return WindowConfig(mode="event", n_times=self.n_times, tmin=self.tmin, baseline=self.baseline)


def encoding_problems(spec: EncodingSpec, parts: Parts, processed: StreamSpec) -> Iterator[str]:
    """What keeps `spec` from being run with the graphs and tensors of a bundle; nothing when it can be."""
    graph = parts.graphs.get(spec.graph)
    if graph is None:
        yield f"the encoding needs graph {spec.graph!r}, there are {sorted(parts.graphs)}"
        return
    yield from single_problems(graph)
    yield from _shape_problems(spec, graph, processed)
    yield from tensor_problems(spec.features, (None, graph.input.at_batch(1)[-1]), parts)
    found = parts.tensors[spec.features]
    if len(found) != len(spec.labels):
        yield (
            f"tensor {spec.features!r} has {len(found)} rows for the {len(spec.labels)} labels of the encoding: "
            "give one row of features per stimulus"
        )
    try:
        check_window(processed, spec.window)
    except ConfigError as error:
        yield f"the encoding's epochs: {error}"


def _shape_problems(spec: EncodingSpec, graph: Graph, processed: StreamSpec) -> Iterator[str]:
    source, target = graph.input, graph.output
    if len(source.shape) != 2 or source.dtype != "float32":
        yield (
            f"graph {graph.name!r} takes {source.dtype} {source.sizes}, expected features, float32 (batch, n_features)"
            ": export it for them"
        )
    if target.at_batch(1) != (1, processed.n_chans, spec.n_times) or target.dtype != "float32":
        yield (
            f"graph {graph.name!r} gives {target.dtype} {target.sizes}, the encoding's epochs are float32 (batch, "
            f"{processed.n_chans} channels, {spec.n_times} samples). Change encoding.n_times, or export it for these"
        )
