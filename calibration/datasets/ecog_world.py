"""Simulated people with electrodes on their visual cortex: a stated forward model, its noise and its seed in one file.

Drawings of five kinds of things (`ecog_pictures`) are shown one after the other. The signal of an electrode after an
image ``i`` shown with gain ``g`` is, in deviations of its noise::

    g * (evoked * common(t) + signal * (selective * drive(i) * wave(t) + gamma * detail(i) * burst(t))) + noise(t)

``common``, ``wave`` and ``burst`` are of the electrode, begin after its region's latency and have a root mean square of
1 over an epoch. ``drive`` and ``detail`` have mean 0 and deviation 1 over the images of the world: ``drive`` mixes
contrast energy at a place, a weight for each category, and a number for each thing, as the region's tuning says;
``detail`` is contrast energy of fine gratings. ``noise`` is 1/f.

What becomes a stream: type ``ECoG``, microvolts, without gaps. The event sits at the onset of an image and is labelled
with its file name; the columns ``category``, ``exemplar`` and ``view`` say what it shows. A subject has one Recording
per exemplar, group ``block-0`` …: a block shows one thing of each category, in all its views, so a split between groups
is one between things, for every subject alike. ``meta.details["electrodes"]`` has region and position of every channel.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator

from calibration.datasets.dataset import listed
from calibration.datasets.ecog_pictures import Picture, pictures
from calibration.datasets.ecog_world_config import EcogWorldConfig, Region, Wave, load_ecog_world
from calibration.datasets.eeg_mixture import coloured
from calibration.datasets.fields import gabor_pair
from calibration.datasets.world import generator
from calibration.datasets.world_config import WorldOptions, configured
from streamkit.errors import ConfigError
from streamkit.recording import Markers, Recording, RecordingMeta, Signal
from streamkit.types import StreamSpec

Array = NDArray[np.float64]
SOURCE = "simulated by streamkit: drawings, and a forward model of electrodes on visual cortex"
LICENCE = "BSD-3-Clause"
FOLDER = "a world's TOML file, or the name of a shipped world"
EPOCH_S = 0.7
BURST_HZ = 45.0


class EcogWorldOptions(WorldOptions):
    """Which world, which of its people, and what to change in it.

    Parameters
    ----------
    subject
        Names such as ``s01``; all by default.
    """

    subject: Annotated[tuple[str, ...], BeforeValidator(listed)] = ()


@dataclass(frozen=True)
class Electrode:
    """One electrode: where it is, and what it answers.

    Attributes
    ----------
    position
        Millimetres (MNI).
    common, wave, burst
        ``(n_times,)`` from the image's onset on, root mean square 1 over an epoch.
    drive, detail
        ``(n_images,)`` mean 0, deviation 1.
    """

    region: Region
    position: tuple[float, float, float]
    common: Array
    wave: Array
    burst: Array
    drive: Array
    detail: Array

    def answers(self, signal: float) -> Array:
        """What it answers to every image without noise, ``(n_images, n_times)``, in deviations of its noise."""
        told = self.region.selective * np.outer(self.drive, self.wave)
        told += self.region.gamma * np.outer(self.detail, self.burst)
        return self.region.evoked * self.common + signal * told


def simulate(config: EcogWorldConfig, subjects: tuple[str, ...] = ()) -> Iterator[Recording]:
    """Run the forward model, subject by subject, block by block.

    Raises
    ------
    ConfigError
        For a subject that is not there.
    """
    shown = config.images
    stimuli = pictures(
        shown.categories, shown.exemplars, shown.views, shown.size, shown.contrast, generator(config.seed, "pictures")
    )
    names = [f"s{k + 1:02d}" for k in range(config.subjects)]
    strangers = sorted(set(subjects) - set(names))
    if strangers:
        raise ConfigError(f"subject {strangers[0]!r} is not in world {config.name!r}; there are {', '.join(names)}")
    for number, name in enumerate(names):
        if not subjects or name in subjects:
            yield from recordings_of(config, stimuli, number, name)


def recordings_of(config: EcogWorldConfig, stimuli: list[Picture], number: int, name: str) -> Iterator[Recording]:
    """The blocks of one subject."""
    electrodes = implant(config, stimuli, number, generator(config.seed, "electrodes", name))
    answers = np.stack([electrode.answers(config.signal.signal) for electrode in electrodes], axis=2)
    rms = np.full(len(electrodes), config.signal.noise)
    bad = generator(config.seed, "bad", name).permutation(len(electrodes))[: config.signal.bad]
    rms[bad] *= config.signal.bad_factor
    spec = StreamSpec(
        name=f"{config.name}-ecog",
        type="ECoG",
        ch_names=tuple(f"E{k + 1:02d}" for k in range(len(electrodes))),
        sfreq=config.signal.sfreq,
        unit="microvolts",
    )
    details = {
        "world": config.name,
        "seed": config.seed,
        "signal": config.signal.signal,
        "electrodes": {
            "region": [electrode.region.label for electrode in electrodes],
            "position": [list(electrode.position) for electrode in electrodes],
            "selective": [electrode.region.selective > 0 for electrode in electrodes],
            "bad": sorted(spec.ch_names[k] for k in bad),
        },
    }
    for block in range(config.images.exemplars):
        group = f"block-{block}"
        rows = np.array([k for k, picture in enumerate(stimuli) if picture.exemplar == block])
        order = generator(config.seed, "order", name, group).permutation(np.repeat(rows, config.images.repeats))
        signal, onsets = lay_out(config, spec, answers, rms, order, (name, group))
        meta = RecordingMeta(
            name=f"{config.name}-{name}-{group}",
            simulated=True,
            group=group,
            subject=name,
            source=SOURCE,
            licence=LICENCE,
            details=details,
        )
        arrays = {stimuli[k].name: stimuli[k].image[None] for k in rows}
        markers = markers_of(config, [stimuli[k] for k in order], onsets)
        yield Recording((signal,), (markers,), stimulus_arrays=arrays, meta=meta)


def lay_out(
    config: EcogWorldConfig,
    spec: StreamSpec,
    answers: Array,
    rms: Array,
    order: NDArray[np.intp],
    names: tuple[str, str],
) -> tuple[Signal, Array]:
    """Signal of one block, and the onset of every image in it."""
    timing, wave = config.presentation, config.signal
    onsets = timing.lead + (timing.on + timing.off) * np.arange(len(order))
    n_times = round((onsets[-1] + timing.lead + timing.on + timing.off) * wave.sfreq)
    rng = generator(config.seed, "noise", *names)
    data = noise(wave, n_times, spec.n_chans, rng) * (0.0 if wave.silent else rms)
    gains = log_normal(wave.gain_sd, len(order), generator(config.seed, "gain", *names))
    for onset, image, gain in zip(onsets, order, gains, strict=True):
        first = round(onset * wave.sfreq)
        data[first : first + answers.shape[1]] += gain * wave.noise * answers[image]
    return Signal(spec, data.astype(np.float32), np.arange(n_times) / wave.sfreq), onsets


def noise(wave: Wave, n_times: int, n_chans: int, rng: np.random.Generator) -> Array:
    """``(n_times, n_chans)`` 1/f noise of deviation 1."""
    return coloured(rng, n_times, n_chans, wave.sfreq, lambda f: np.maximum(f, 0.5) ** (-wave.exponent / 2))


def log_normal(sd: float, n: int, rng: np.random.Generator) -> Array:
    """Gains of mean 1 and deviation `sd`."""
    sigma = np.sqrt(np.log1p(sd**2))
    return np.asarray(rng.lognormal(-(sigma**2) / 2, sigma, n))


def implant(config: EcogWorldConfig, stimuli: list[Picture], number: int, rng: np.random.Generator) -> list[Electrode]:
    """Draw the electrodes of subject `number`, region by region; every second subject has them on the left."""
    energy = Energy(np.stack([picture.image for picture in stimuli]))
    found = []
    for region in config.regions:
        n = int(rng.integers(region.electrodes[0], region.electrodes[1] + 1))
        for _ in range(n if region.subjects is None or number < region.subjects else 0):
            found.append(electrode_of(region, config.signal.sfreq, stimuli, energy, number, rng))
    return found


def electrode_of(
    region: Region, sfreq: float, stimuli: list[Picture], energy: Energy, number: int, rng: np.random.Generator
) -> Electrode:
    """Draw one electrode."""
    side = np.array([-1.0 if number % 2 else 1.0, 1.0, 1.0])
    place = np.array(region.position) * side + rng.normal(0, 4.0, 3)
    times = np.arange(round(EPOCH_S * sfreq)) / sfreq
    common, wave = (waves(times, region.latency, rng) for _ in range(2))
    burst = np.exp(-(((times - region.latency - 0.08) / 0.04) ** 2)) * np.sin(2 * np.pi * BURST_HZ * times)
    return Electrode(
        region,
        tuple(float(round(x, 1)) for x in place),
        common,
        wave,
        burst / root_mean_square(burst),
        drive_of(region, stimuli, energy, rng),
        standard(energy(rng, fine=True)),
    )


def waves(times: Array, latency: float, rng: np.random.Generator) -> Array:
    """An early and a late wave of opposite sign, root mean square 1, over by the end."""
    early = latency + rng.uniform(0.02, 0.05)
    late = early + rng.uniform(0.1, 0.2)
    widths = rng.uniform(0.02, 0.03), rng.uniform(0.06, 0.1)
    first, second = (
        np.exp(-(((times - at) / width) ** 2) / 2) for at, width in zip((early, late), widths, strict=True)
    )
    fade = np.clip((EPOCH_S - times) / 0.1, 0, 1)
    wave = rng.choice((-1.0, 1.0)) * (first - rng.uniform(0.4, 0.9) * second) * fade
    return wave / root_mean_square(wave)


def drive_of(region: Region, stimuli: list[Picture], energy: Energy, rng: np.random.Generator) -> Array:
    """How much each image drives an electrode, ``(n_images,)``: mean 0, deviation 1."""
    categories = sorted({picture.category for picture in stimuli})
    of_category = dict(zip(categories, rng.standard_normal(len(categories)), strict=True))
    things = sorted({(picture.category, picture.exemplar) for picture in stimuli})
    of_thing = dict(zip(things, rng.standard_normal(len(things)), strict=True))
    parts = {
        "shape": energy(rng),
        "category": np.array([of_category[picture.category] for picture in stimuli]),
        "identity": np.array([of_thing[picture.category, picture.exemplar] for picture in stimuli]),
    }
    return standard(sum(getattr(region.tuning, name) * standard(part) for name, part in parts.items()))


class Energy:
    """Contrast energy of Gabors drawn at random: called, it gives ``(n_images,)``.

    Parameters
    ----------
    images
        ``(n_images, size, size)`` in [0, 1].
    """

    def __init__(self, images: NDArray[np.float32]):
        self.size = images.shape[1]
        self.flat = images.reshape(len(images), -1).astype(np.float64) - 0.5

    def __call__(self, rng: np.random.Generator, fine: bool = False) -> Array:
        """Energy at one place and orientation; fine gratings are a third as wide."""
        place = rng.uniform(0.3, 0.7, 2) * self.size
        sigma = self.size * rng.uniform(0.1, 0.16) * (1 / 3 if fine else 1)
        pair = [gabor.ravel() for gabor in gabor_pair(place, sigma, self.size, rng)]
        return np.asarray(np.hypot(self.flat @ pair[0], self.flat @ pair[1]))


def standard(values: Array) -> Array:
    """Mean 0, deviation 1; zeros where all are equal."""
    centred = values - values.mean()
    spread = float(centred.std())
    return centred / spread if spread > 1e-12 else centred


def root_mean_square(values: Array) -> float:
    """Of all values."""
    return float(np.sqrt((values**2).mean()))


def markers_of(config: EcogWorldConfig, shown: list[Picture], onsets: Array) -> Markers:
    """An event at the onset of every image."""
    spec = StreamSpec(
        name=f"{config.name}-images", type="Markers", ch_names=("marker",), sfreq=0, channel_format="string"
    )
    columns: Mapping[str, list[Any]] = {
        key: [getattr(picture, key) for picture in shown] for key in ("category", "exemplar", "view")
    }
    return Markers(spec, tuple(picture.name for picture in shown), onsets, columns)


def read(path: Path, options: EcogWorldOptions) -> Iterator[Recording]:
    """Recordings of a world, simulated now."""
    yield from simulate(configured(path, options, load_ecog_world, FOLDER), options.subject)
