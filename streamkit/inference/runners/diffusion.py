"""diffusion: noise, from which a denoising graph takes away a little at a time, guided by the window."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, Self

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from streamkit.inference.backend import Array, Backend
from streamkit.inference.graph import Graph, TensorSpec
from streamkit.inference.runners.base import (
    Clock,
    Parts,
    Runner,
    RunnerSettings,
    Values,
    contiguous,
    output_problems,
    place,
    single_problems,
    tensor_problems,
    window_problems,
)
from streamkit.inference.runners.noise import (
    Prediction,
    Sample,
    Schedule,
    Spacing,
    Step,
    signal_left,
    steps_of,
    times,
)


class DiffusionConfig(RunnerSettings):
    """A denoising graph run once or twice per step, and perhaps a graph before it and one behind.

    Parameters
    ----------
    graph
        Name of the denoiser. It takes the noisy `sample`, the `time` (a single number) and, as `given`, what to make;
        its first output is what `prediction` says.
    sample, time, given
        Names of its inputs.
    condition
        Graph that makes of a window what the denoiser is given; without one it is given the window itself.
    decoder
        Graph that makes the answer of the clean sample; without one, that is the answer.
    scale
        The clean sample is divided by it before the decoder.
    train_steps, schedule, beta_start, beta_end
        How noise was added in training; see `streamkit.inference.runners.noise.signal_left`.
    prediction
        What the denoiser gives: the noise (``"epsilon"``), the clean ``"sample"``, or ``"v"``.
    sampler, steps, eta, spacing
        ``"ddim"`` with `eta` from 0 (all noise is drawn at the beginning) to 1, or ``"ddpm"``; how many steps, and
        whether the times end at 0 (``"leading"``) or begin at the last one (``"trailing"``).
    clip
        Largest absolute value of what is taken for the clean sample at each step; None for any.
    guidance
        Classifier-free guidance: the prediction is that without condition, plus this many times what the condition
        changes. It takes two runs per step. None leaves it out.
    unconditional
        Tensor of the bundle that the denoiser is given to be without condition; zeros where none is named.
    seed
        Of the noise.
    """

    kind: Literal["diffusion"] = "diffusion"
    graph: str = "denoiser"
    sample: str = "sample"
    time: str = "time"
    given: str = "condition"
    condition: str | None = None
    decoder: str | None = None
    scale: PositiveFloat = 1.0
    train_steps: PositiveInt = 1000
    schedule: Schedule = "linear"
    beta_start: float = Field(default=1e-4, gt=0, lt=1)
    beta_end: float = Field(default=0.02, gt=0, lt=1)
    prediction: Prediction = "epsilon"
    sampler: Literal["ddim", "ddpm"] = "ddim"
    steps: PositiveInt = 50
    eta: float = Field(default=0.0, ge=0, le=1)
    spacing: Spacing = "leading"
    clip: PositiveFloat | None = None
    guidance: float | None = None
    unconditional: str | None = None
    seed: NonNegativeInt = 0

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.steps > self.train_steps:
            raise ValueError(f"steps is {self.steps}, more than train_steps, {self.train_steps}")
        if self.sampler == "ddpm" and self.eta:
            raise ValueError(f"eta is {self.eta}, which belongs to sampler 'ddim'")
        if self.unconditional is not None and self.guidance is None:
            raise ValueError("unconditional is of use with guidance only: give both or neither")
        return self

    @property
    def needs(self) -> tuple[str, ...]:
        """The denoiser, and the graphs before and behind it."""
        return (self.graph, *(name for name in (self.condition, self.decoder) if name is not None))

    @property
    def repeated(self) -> frozenset[str]:
        """The denoiser."""
        return frozenset({self.graph})

    @property
    def path(self) -> tuple[Step, ...]:
        """The steps of an answer."""
        signal = signal_left(self.schedule, self.train_steps, self.beta_start, self.beta_end)
        visited = times(self.spacing, self.train_steps, self.steps)
        return steps_of(signal, visited, 1.0 if self.sampler == "ddpm" else self.eta)

    def _problems(self, parts: Parts) -> Iterator[str]:
        graph = parts.graphs[self.graph]
        yield from self._names(graph)
        sample, given = graph.inputs[place(graph.inputs, self.sample)], graph.inputs[place(graph.inputs, self.given)]
        yield from _alike(sample, graph, graph.output, f"input {self.sample!r} of graph {graph.name!r}")
        if np.prod(graph.inputs[place(graph.inputs, self.time)].at_batch(1)) != 1:
            yield f"graph {graph.name!r}: input {self.time!r} takes more than one number, expected the time alone"
        yield from self._before(graph, given, parts)
        yield from self._behind(graph, sample, parts)
        if self.unconditional is not None:
            yield from tensor_problems(self.unconditional, given.at_batch(1), parts)

    def _names(self, graph: Graph) -> Iterator[str]:
        ins = [spec.name for spec in graph.inputs]
        if sorted(ins) != sorted((self.sample, self.time, self.given)):
            yield (
                f"graph {graph.name!r} takes {ins}, expected a noisy sample {self.sample!r}, a time {self.time!r} and "
                f"a condition {self.given!r}: name them in the runner's sample, time and given"
            )

    def _before(self, graph: Graph, given: TensorSpec, parts: Parts) -> Iterator[str]:
        if self.condition is None:
            yield from window_problems(graph, given, parts)
            return
        first = parts.graphs[self.condition]
        yield from single_problems(first)
        yield from window_problems(first, first.input, parts)
        yield from _alike(given, first, first.output, f"input {self.given!r} of graph {graph.name!r}")

    def _behind(self, graph: Graph, sample: TensorSpec, parts: Parts) -> Iterator[str]:
        if self.decoder is None:
            yield from output_problems(graph, graph.output, parts.output)
            return
        last = parts.graphs[self.decoder]
        yield from single_problems(last)
        yield from _alike(last.input, graph, sample, f"graph {last.name!r}")
        yield from output_problems(last, last.output, parts.output)

    def build(self, opened: Mapping[str, Backend], parts: Parts, clock: Clock) -> Diffusion:
        """Compose it."""
        return Diffusion(self, opened, parts)


def _alike(wanted: TensorSpec, graph: Graph, given: TensorSpec, whose: str) -> Iterator[str]:
    """Say so when what `graph` gives is not what is wanted next; samples and conditions are float32."""
    if (wanted.at_batch(1), wanted.dtype) != (given.at_batch(1), "float32") or given.dtype != "float32":
        yield (
            f"{whose} takes {wanted.dtype} {wanted.sizes}, but graph {graph.name!r} has {given.dtype} {given.sizes} "
            "for it: export them alike, in float32"
        )


class Diffusion(Runner):
    """Runner of a denoiser that is run for a fixed number of steps."""

    def __init__(self, config: DiffusionConfig, opened: Mapping[str, Backend], parts: Parts) -> None:
        self._config, self._path = config, config.path
        self._denoiser = opened[config.graph]
        self._condition = None if config.condition is None else opened[config.condition]
        self._decoder = None if config.decoder is None else opened[config.decoder]
        graph = parts.graphs[config.graph]
        self._at = tuple(place(graph.inputs, name) for name in (config.sample, config.time, config.given))
        spec = graph.inputs[self._at[1]]
        self._times = [np.full(spec.at_batch(1), step.time, spec.dtype) for step in self._path]
        self._sample, _, self._given = (self._denoiser.buffers[at] for at in self._at)
        self._guidance = 0.0 if config.guidance is None else config.guidance
        self._without = None if config.guidance is None else self._unconditional(parts)
        super().__init__(opened, self._given if self._condition is None else self._condition.buffers[0], parts.output)
        self.steps = len(self._path)

    def infer(self, x: Array, at: int = 0, steps: int | None = None) -> Values:
        """Take all noise away, step by step."""
        rng = np.random.default_rng([self._config.seed, at])
        given = self._begin(x, rng)
        for time, step in zip(self._times, self._path, strict=True):
            self._take_away(time, step, given, rng)
        return self._answer()

    def rehearse(self, x: Array) -> Values:
        """Take one step."""
        rng = np.random.default_rng(self._config.seed)
        self._take_away(self._times[-1], self._path[-1], self._begin(x, rng), rng)
        return self._answer()

    def _begin(self, x: Array, rng: np.random.Generator) -> Array:
        """Put noise where the denoiser takes it from; returns the condition."""
        self._sample[:] = rng.standard_normal(self._sample.shape, np.float32)
        given = self._in_place(x) if self._condition is None else self._condition.infer(x)
        if self._without is not None:
            return given.copy()  # the two conditions take turns in the denoiser's own input
        if self._condition is not None:
            self._given[:] = given
            return self._given
        return given

    def _take_away(self, time: Array, step: Step, given: Array, rng: np.random.Generator) -> None:
        said = self._denoise(time, given)
        if self._without is not None:
            without = self._denoise(time, self._without)
            said = without + self._guidance * (said - without)
        clean, noise = step.split(self._sample, said, self._config.prediction)
        if self._config.clip is not None:
            clean = np.clip(clean, -self._config.clip, self._config.clip)
        ddpm = self._config.sampler == "ddpm"
        after = step.ddpm(self._sample, clean) if ddpm else step.ddim(clean, noise)
        if step.noise:
            after = after + step.noise * rng.standard_normal(after.shape, np.float32)
        self._sample[:] = after

    def _unconditional(self, parts: Parts) -> Array:
        """What the denoiser is given to be without condition."""
        name = self._config.unconditional
        return np.zeros_like(self._given) if name is None else contiguous(parts.tensors[name])

    def _denoise(self, time: Array, given: Array) -> Sample:
        inputs: dict[int, Array] = dict(zip(self._at, (self._sample, time, given), strict=True))
        return self._denoiser.run(*(inputs[at] for at in range(len(inputs))))[0]

    def _answer(self) -> Values:
        if self._decoder is None:
            return self._activated(self._sample.copy())
        return self._activated(self._decoder.infer(self._sample / np.float32(self._config.scale)))
