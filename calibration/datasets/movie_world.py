"""Somebody who watches films in a simulated scanner: receptive fields, haemodynamics and noise, from one TOML file.

Photographs become films (`movie_frames`). Every voxel looks at one place with a Gaussian field, dense in the middle of
the picture and larger further out and in later areas. Its drive is the mean brightness under the field, in colours
weighted its own way, or the contrast under it. Drive, smeared by the haemodynamic response and scaled to variance 1
over the training runs, times ``noise.signal``, plus noise with a memory and what an area has in common, is what is
recorded.

What becomes a stream: all voxels, a sample per volume (type ``fMRI``, ``a.u.``), as `movie_recording` says. Each run
is a Recording and a group of its own; ``meta.simulated`` is True.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from calibration.datasets.dots_recording import ch_names_of
from calibration.datasets.movie_config import Haemodynamics, MovieConfig, load_movie
from calibration.datasets.movie_frames import Shown, film_of
from calibration.datasets.movie_recording import recording_of
from calibration.datasets.world import generator
from calibration.datasets.world_config import WorldOptions, configured, seeded
from calibration.targets import GREY
from streamkit.recording import Recording, RecordingMeta

SOURCE = "simulated by streamkit: films of photographs in the scikit-image and scikit-learn packages"
LICENCE = "photographs as their packages say (public domain, CC0, CC BY)"
FOLDER = "a movie world's TOML file, or the name of a shipped one"
TAIL = 12
"""Volumes after the last frame, so that it has all of its own."""
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Voxels:
    """The truth about every voxel.

    Attributes
    ----------
    area
        ``(n_voxels,)`` name of its area.
    centre
        ``(n_voxels, 2)`` x (to the right) and y (down), parts of the picture's side from its middle.
    weight
        ``(n_voxels, 3, side, side)`` of red, green and blue in every pixel; those of one voxel add up to 1.
    contrast
        ``(n_voxels,)`` whether it answers to contrast rather than to brightness.
    """

    area: NDArray[np.str_]
    centre: Array
    weight: NDArray[np.float32]
    contrast: NDArray[np.bool_]

    def drive(self, frames: NDArray[np.uint8]) -> Array:
        """``(n, n_voxels)`` what each voxel is driven by, frame by frame."""
        pixels = frames.reshape(len(frames), -1).astype(np.float32) / np.float32(255)
        weight = self.weight.reshape(len(self.area), -1)
        mean = (pixels @ weight.T).astype(np.float64)
        square = (np.square(pixels) @ np.abs(weight).T).astype(np.float64)
        return np.where(self.contrast, np.sqrt(np.maximum(square - mean**2, 0.0)), mean)


@dataclass(frozen=True)
class MovieWorld:
    """A simulated movie world; what it shows and what it answers are worked out once.

    Attributes
    ----------
    config
        What it is made from, with the seed used.
    """

    config: MovieConfig
    _shown: dict[str, Shown] = field(default_factory=dict, repr=False)
    _answers: dict[str, Array] = field(default_factory=dict, repr=False)

    @cached_property
    def voxels(self) -> Voxels:
        """Where every voxel looks, and what for."""
        return draw(self.config)

    @property
    def runs(self) -> dict[str, str]:
        """The part of every run, by the run's name."""
        return self.config.runs

    def shown(self, run: str) -> Shown:
        """What one run shows."""
        if run not in self._shown:
            part = self.config.parts[self.runs[run]]
            rng = generator(self.config.seed, "film", run)
            self._shown[run] = film_of(self.config.film, part.photographs, part.frames, rng)
        return self._shown[run]

    @cached_property
    def scale(self) -> tuple[Array, Array]:
        """Mean and deviation of the smeared drive of every voxel over the training runs, ``(n_voxels,)`` each."""
        smeared = np.concatenate([self._smeared(run) for run, part in self.runs.items() if part == "train"])
        std = smeared.std(0)
        return smeared.mean(0), np.where(std > 1e-9, std, 1.0)

    def _smeared(self, run: str) -> Array:
        if run not in self._answers:
            drive = self.voxels.drive(self.shown(run).frames)
            resting = np.concatenate([drive, np.repeat(drive[-1:], TAIL, axis=0)])
            kernel = response(self.config.haemodynamics, self.config.film.tr)
            # before the first frame the screen shows what it then shows, so that a run does not begin with a jump
            before = np.repeat(resting[:1], len(kernel), axis=0)
            whole = lfilter(kernel, 1.0, np.concatenate([before, resting]), axis=0)
            self._answers[run] = whole[len(kernel) :]
        return self._answers[run]

    def answers(self, run: str) -> Array:
        """``(n_volumes, n_voxels)`` free of noise: mean 0 and variance 1 over the training runs."""
        mean, std = self.scale
        return (self._smeared(run) - mean) / std

    def recorded(self, run: str) -> NDArray[np.float32]:
        """``(n_volumes, n_voxels)`` with noise, mean over the repeats of the run."""
        noise, repeats = self.config.noise, self.config.parts[self.runs[run]].repeats
        clean, rng = noise.signal * self.answers(run), generator(self.config.seed, "noise", run)
        total = np.zeros_like(clean)
        for _ in range(repeats):
            total += noise_of(self.config, len(clean), rng)
        return np.asarray(clean + total / repeats, np.float32)

    def recording(self, run: str) -> Recording:
        """The Recording of one run."""
        config, shown = self.config, self.shown(run)
        meta = RecordingMeta(
            name=f"{config.name}-{run}",
            simulated=True,
            group=run,
            source=SOURCE,
            licence=LICENCE,
            details={"world": config.name, "seed": config.seed, "signal": config.noise.signal}
            | {"part": self.runs[run], "repeats": config.parts[self.runs[run]].repeats},
        )
        columns = {"shot": shown.shot.tolist(), "photograph": shown.photograph.tolist()}
        names = ch_names_of(self.voxels.area.tolist())
        return recording_of(
            config.name, self.recorded(run), names, config.film.tr, shown.frames, self.voxels.centre, meta, columns
        )


def draw(config: MovieConfig) -> Voxels:
    """Draw all voxels."""
    side, fields = config.film.side, config.retinotopy
    rows, columns = np.mgrid[:side, :side]
    down, right = (rows + 0.5) / side - 0.5, (columns + 0.5) / side - 0.5
    centres, weights, contrasts = [], [], []
    for area in config.areas:
        rng = generator(config.seed, "voxels", area.name)
        growth = np.log1p(fields.reach / fields.magnified)
        distance = fields.magnified * np.expm1(rng.uniform(0, 1, area.voxels) * growth)
        angle = rng.uniform(0, 2 * np.pi, area.voxels)
        centre = distance[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
        sigma = area.size + area.slope * distance
        apart = (right - centre[:, 0, None, None]) ** 2 + (down - centre[:, 1, None, None]) ** 2
        blob = np.exp(-apart / (2 * sigma[:, None, None] ** 2))
        blob /= blob.sum((1, 2), keepdims=True)
        hue = GREY + fields.colour * rng.standard_normal((area.voxels, 3))
        hue = np.where(np.abs(hue.sum(1, keepdims=True)) > 0.2, hue, GREY)
        contrast = np.arange(area.voxels) < round(area.contrast * area.voxels)
        hue = np.where(contrast[:, None], GREY, hue / hue.sum(1, keepdims=True))
        centres.append(centre)
        weights.append(np.float32(hue[:, :, None, None] * blob[:, None]))
        contrasts.append(contrast)
    area_of = np.repeat([area.name for area in config.areas], [area.voxels for area in config.areas])
    return Voxels(area_of, np.concatenate(centres), np.concatenate(weights), np.concatenate(contrasts))


def response(shape: Haemodynamics, tr: float) -> Array:
    """Answer to one volume's activity, volume by volume: a gamma less a later one; its positive part adds up to 1."""
    times = np.arange(0, shape.length, tr)
    answer = gamma(times, shape.peak, shape.width) - shape.undershoot * gamma(times, shape.under, 2 * shape.width)
    return answer / answer[answer > 0].sum()


def gamma(times: Array, peak: float, width: float) -> Array:
    """A gamma density with its mode at `peak` and deviation `width`, scaled to a maximum of 1."""
    scale = (np.sqrt(peak**2 + 4 * width**2) - peak) / 2
    order = peak / scale
    ratio = np.maximum(times, 1e-12) / peak
    return np.where(times > 0, np.exp(order * (np.log(ratio) + 1 - ratio)), 0.0)


def noise_of(config: MovieConfig, n: int, rng: np.random.Generator) -> Array:
    """``(n, n_voxels)`` noise of one watching."""
    noise = config.noise
    keep = np.sqrt(1 - noise.memory**2)
    own = lfilter([keep], [1.0, -noise.memory], rng.standard_normal((n + TAIL, config.n_voxels)), axis=0)[TAIL:]
    shared = lfilter([keep], [1.0, -noise.memory], rng.standard_normal((n + TAIL, len(config.areas))), axis=0)[TAIL:]
    return noise.sd * own + noise.shared * np.repeat(shared, [area.voxels for area in config.areas], axis=1)


def simulate(config: MovieConfig, seed: int | None = None) -> MovieWorld:
    """The world of a configuration; `seed` instead of its own."""
    return MovieWorld(seeded(config, seed))


def world_of(path: Path, options: WorldOptions) -> MovieWorld:
    """The world that a path and options name.

    Raises
    ------
    ConfigError
        When neither does.
    """
    return MovieWorld(configured(path, options, load_movie, FOLDER))


def read(path: Path, options: WorldOptions) -> Iterator[Recording]:
    """Recordings of a movie world, simulated now."""
    world = world_of(path, options)
    for run in world.runs:
        yield world.recording(run)
