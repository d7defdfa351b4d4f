"""Simulated mice that look at photographs: retinotopic units, one count per unit and picture, from one TOML file.

Units lie on a sheet of cortex, and where they look follows from where they lie. What they answer is that of
`calibration.datasets.fields`: blobs for light and dark, rectified Gabor filters, Gabor energy. A unit's expected count
is ``base + evoked * response``, the response being its drive over its mean drive to the training pictures, scaled by
``noise.signal`` around 1; the count is Poisson, under a gain that all units share in a presentation.

What becomes a stream (type ``Spikes``, unit ``counts``): *not a continuous recording*, one sample per presentation,
without gaps, as published tables of imaging responses are. The event sits at the sample's stamp and is labelled with
the file name of the picture; pictures that are repeated are shown in random order. Each group is a Recording of each
mouse; ``meta.details`` has where its units lie on the sheet (``coordinates``, micrometres), and ``meta.simulated`` is
True.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration.datasets.fields import SIGMA, Population, blob, gabor_pair
from calibration.datasets.photographs import Stimulus, choose, normalise
from calibration.datasets.v1_config import V1Config, load_v1
from calibration.datasets.world import generator
from calibration.datasets.world_config import WorldOptions, configured, seeded
from streamkit.errors import ConfigError, did_you_mean
from streamkit.recording import Markers, Recording, RecordingMeta, Signal
from streamkit.types import StreamSpec

SOURCE = "simulated by streamkit from photographs in the scikit-image and scikit-learn packages"
LICENCE = "photographs as their packages say (public domain, CC0, CC BY)"
FOLDER = "a V1 world's TOML file, or the name of a shipped one"

FloatArray = NDArray[np.float64]


class V1Options(WorldOptions):
    """Which world, which mouse, and what to change in it.

    Parameters
    ----------
    animal
        One mouse; all of them where it is left out.
    """

    animal: str = ""


@dataclass(frozen=True)
class Mouse:
    """The units of one mouse.

    Attributes
    ----------
    population
        Fields ``(n_units, height, width)``, with the centres in pixels of a picture.
    coordinates
        ``(n_units, 2)`` micrometres on the sheet, down and across.
    evoked
        ``(n_units,)`` counts that a picture adds, mean over training pictures.
    """

    population: Population
    coordinates: FloatArray
    evoked: FloatArray


@dataclass(frozen=True)
class V1World:
    """A simulated world; what it shows and what is answered are worked out once.

    Attributes
    ----------
    config
        What it is made from, with the seed used.
    """

    config: V1Config

    @cached_property
    def stimuli(self) -> dict[str, list[Stimulus]]:
        """Pictures by group, each once."""
        config = self.config
        return {
            name: [
                wide(each, config.sheet.height, config.patches.contrast)
                for each in choose(group, config.patches, generator(config.seed, "patches", name))
            ]
            for name, group in config.groups.items()
        }

    @cached_property
    def order(self) -> dict[str, NDArray[np.intp]]:
        """By group: which picture each presentation shows."""
        found = {}
        for name, group in self.config.groups.items():
            n = len(self.stimuli[name])
            rng = generator(self.config.seed, "order", name)
            found[name] = (
                np.arange(n) if group.repeats == 1 else rng.permutation(np.repeat(np.arange(n), group.repeats))
            )
        return found

    @cached_property
    def mice(self) -> dict[str, Mouse]:
        """Every mouse by name."""
        return {name: draw_mouse(self.config, name) for name in self.config.animals}

    def images(self, group: str) -> NDArray[np.float32]:
        """``(n, 1, height, width)`` the pictures of a group, each once."""
        return np.stack([each.image for each in self.stimuli[group]])[:, None]

    @cached_property
    def _mean_drive(self) -> dict[str, FloatArray]:
        images = self.images("train")[:, 0]
        return {name: mouse.population.drive(images).mean(0) for name, mouse in self.mice.items()}

    def expected(self, group: str, animal: str) -> FloatArray:
        """``(n_pictures, n_units)`` expected counts at a gain of 1: the truth that an oracle may use."""
        mouse, noise = self.mice[animal], self.config.noise
        drive = mouse.population.drive(self.images(group)[:, 0]) / np.maximum(self._mean_drive[animal], 1e-9)
        response = np.maximum(1 + noise.signal * (drive - 1), 0)
        return self.config.units.base + mouse.evoked * response

    def gains(self, group: str, animal: str) -> FloatArray:
        """``(n,)`` of every presentation."""
        sd = self.config.noise.gain_sd
        rng = generator(self.config.seed, "gain", animal, group)
        return rng.lognormal(-(sd**2) / 2, sd, len(self.order[group]))

    def counts(self, group: str, animal: str) -> NDArray[np.float32]:
        """``(n, n_units)`` of every presentation."""
        expected = self.expected(group, animal)[self.order[group]] * self.gains(group, animal)[:, None]
        return generator(self.config.seed, "counts", animal, group).poisson(expected).astype(np.float32)

    def recording(self, group: str, animal: str) -> Recording:
        """The Recording of one group of one mouse."""
        config, stimuli = self.config, self.stimuli[group]
        counts, shown = self.counts(group, animal), [stimuli[k] for k in self.order[group]]
        stamps = np.arange(len(counts)) / config.sfreq
        ch_names = tuple(f"unit-{k:04d}" for k in range(config.units.n))
        spec = StreamSpec(
            name=f"{config.name}-spikes", type="Spikes", ch_names=ch_names, sfreq=config.sfreq, unit="counts"
        )
        marker = StreamSpec(
            name=f"{config.name}-pictures", type="Markers", ch_names=("marker",), sfreq=0, channel_format="string"
        )
        columns = {"photograph": [each.photograph for each in shown], "box": [list(each.box) for each in shown]}
        details = {"world": config.name, "seed": config.seed, "signal": config.noise.signal}
        meta = RecordingMeta(
            name=f"{config.name}-{animal}-{group}",
            simulated=True,
            group=group,
            subject=animal,
            source=SOURCE,
            licence=LICENCE,
            details=details | {"coordinates": self.mice[animal].coordinates.round(1).tolist()},
        )
        return Recording(
            (Signal(spec, counts, stamps),),
            (Markers(marker, tuple(each.name for each in shown), stamps, columns),),
            stimulus_arrays={each.name: each.image[None] for each in stimuli},
            meta=meta,
        )


def wide(stimulus: Stimulus, height: int, contrast: float) -> Stimulus:
    """The middle rows of a square picture, at the contrast that all have."""
    top = (len(stimulus.image) - height) // 2
    image = normalise(stimulus.image[top : top + height], contrast)
    return Stimulus(stimulus.name, stimulus.photograph, stimulus.box, image, stimulus.concept)


def draw_mouse(config: V1Config, animal: str) -> Mouse:
    """Places on the sheet, fields and strengths of the units of one mouse."""
    units, rng = config.units, generator(config.seed, "units", animal)
    height, width = config.sheet.height, config.patches.size
    kinds = [kind for kind in SIGMA for _ in range(getattr(units, kind))]
    coordinates = rng.uniform((0, 0), config.sheet.size, (units.n, 2))
    centre = looks_at(config, coordinates) + rng.normal(0, config.sheet.scatter, (units.n, 2))
    above = (width - height) // 2
    even, odd = np.zeros((2, units.n, height, width), np.float32)
    for k, kind in enumerate(kinds):
        low, high = np.log(np.array(SIGMA[kind]) * width / 32)
        sigma = float(np.exp(rng.uniform(low, high)))
        place = centre[k] + (above, 0)  # fields are drawn on the square that a picture is the middle of
        pair = (blob(place, sigma, width, k),) if kind == "luminance" else gabor_pair(place, sigma, width, rng)
        even[k] = pair[0][above : above + height]
        if kind == "complex":
            odd[k] = pair[1][above : above + height]
    evoked = units.evoked * rng.lognormal(-(units.spread**2) / 2, units.spread, units.n)
    return Mouse(Population(even, odd, tuple(kinds), centre), coordinates, evoked)


def looks_at(config: V1Config, coordinates: FloatArray) -> FloatArray:
    """``(n, 2)`` row and column of a picture that places on the sheet look at, without scatter; beyond it, its edge."""
    picture = np.array([config.sheet.height, config.patches.size])
    turn = np.deg2rad(config.sheet.rotation)
    middle = coordinates / np.array(config.sheet.size) * picture - picture / 2
    turned = middle @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return np.clip(turned + (picture - 1) / 2, 0, picture - 1)


def simulate(config: V1Config, seed: int | None = None) -> V1World:
    """The world of a configuration; `seed` instead of its own."""
    return V1World(seeded(config, seed))


def world_of(path: Path, options: V1Options) -> V1World:
    """The world that a path and options name.

    Raises
    ------
    ConfigError
        When neither does.
    """
    return V1World(configured(path, options, load_v1, FOLDER))


def read(path: Path, options: V1Options) -> Iterator[Recording]:
    """Recordings of a world, simulated now, mouse by mouse."""
    world = world_of(path, options)
    animals = world.config.animals
    if options.animal and options.animal not in animals:
        hint = did_you_mean(options.animal, animals)
        raise ConfigError(f"no mouse {options.animal!r} in this world.{hint} Mice: {', '.join(animals)}")
    for animal in animals:
        if options.animal in ("", animal):
            for group in world.config.groups:
                yield world.recording(group, animal)
