"""A simulated visual cortex watching photographs: a stated forward model, its noise and its seed in one TOML file.

Photographs that ship with scikit-image and scikit-learn are cut into patches (`photographs`); no photograph is in two
Recordings. Receptive fields (`fields`) turn a patch into the drive of each unit, `responses` into rates and Poisson
counts, `eeg_mixture` into a 63-channel EEG-like signal.

What becomes a stream: the counts of all units in bins of 10 ms (type ``Spikes``, unit ``counts``, 100 Hz), and the
mixture (type ``EEG``, microvolts, 250 Hz), neither with gaps. A count is stamped with the *end* of its bin, the first
moment it can be known. The event sits at the onset of a patch and is labelled with its file name; the patches are the
stimuli, and the column ``concept`` of the markers says which were cut around the same place. Each group of the world is
a Recording; ``meta.simulated`` is True.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.datasets import eeg_mixture, fields, responses
from calibration.datasets.dataset import missing, world_named
from calibration.datasets.photographs import Stimulus, choose
from calibration.datasets.responses import Presentations
from calibration.datasets.world_config import Group, WorldConfig, WorldOptions, load_world, seeded
from streamkit.errors import RecordingError
from streamkit.recording import Markers, Recording, RecordingMeta, Signal, read_recording, write_recording
from streamkit.types import StreamSpec

SOURCE = "simulated by streamkit from photographs in the scikit-image and scikit-learn packages"
LICENCE = "photographs as their packages say (public domain, CC0, CC BY)"
FOLDER = "a world's TOML file, the name of a shipped world, or a folder that 'streamkit simulate' wrote"
TRUTH = "truth.json"


@dataclass(frozen=True)
class World:
    """A simulated world: Recordings by group, and the truth behind them.

    Attributes
    ----------
    config
        What it was made from, with the seed used.
    recordings
        By group name, in the order of the file.
    population, mixing
        Receptive fields; projection to the EEG channels (None when the world has no EEG).
    presentations
        By group: onsets, noise-free responses, shared gains.
    """

    config: WorldConfig
    recordings: Mapping[str, Recording]
    population: fields.Population
    mixing: eeg_mixture.Mixing | None
    presentations: Mapping[str, Presentations]


def generator(seed: int, *purpose: str) -> np.random.Generator:
    """A random generator of its own for each purpose, so that changing one part leaves the others as they were."""
    return np.random.default_rng(np.random.SeedSequence([seed, zlib.crc32("/".join(purpose).encode())]))


def simulate(
    config: WorldConfig, seed: int | None = None, progress: Callable[[str], None] = lambda step: None
) -> World:
    """Run the forward model.

    Parameters
    ----------
    config
        The world.
    seed
        Instead of the world's own.
    progress
        Called with what is being done next.

    Raises
    ------
    ConfigError
        When the photographs do not give enough patches.
    MissingPackage
        When a package that ships photographs is not installed.
    """
    config = seeded(config, seed)
    progress("cutting photographs")
    stimuli = {
        name: choose(group, config.patches, generator(config.seed, "patches", name))
        for name, group in config.groups.items()
    }
    order = {
        name: in_order(stimuli[name], group, generator(config.seed, "order", name))
        for name, group in config.groups.items()
    }
    size = config.patches.size
    population = fields.draw(config.units, size, generator(config.seed, "fields"))
    mixing = None
    if "eeg" in config.streams:
        mixing = eeg_mixture.draw_mixing(config.eeg, population, size, generator(config.seed, "mixing"))
    drive = {name: population.drive(np.stack([s.image for s in shown])) for name, shown in order.items()}
    recordings, presentations = {}, {}
    for name in config.groups:
        progress(f"simulating {name}: {len(order[name])} presentations")
        rng = generator(config.seed, "gain", name)
        shown = responses.present(config, drive[name], drive["train"].mean(axis=0), rng)
        signals = tuple(signal_of(stream, config, mixing, shown, name) for stream in config.streams)
        presentations[name] = shown
        recordings[name] = recording_of(config, name, stimuli[name], order[name], shown, signals)
    return World(config, recordings, population, mixing, presentations)


def in_order(stimuli: list[Stimulus], group: Group, rng: np.random.Generator) -> list[Stimulus]:
    """What is shown one after the other: in random order, unless it is one image per concept, once."""
    if group.exemplars == group.repeats == 1:
        return stimuli
    shown = [each for k, each in enumerate(stimuli) if k % group.exemplars < (group.shown or group.exemplars)]
    return [shown[k % len(shown)] for k in rng.permutation(group.repeats * len(shown))]


def signal_of(
    stream: str, config: WorldConfig, mixing: eeg_mixture.Mixing | None, shown: Presentations, group: str
) -> Signal:
    """One signal of one group: ``"spikes"`` or ``"eeg"``."""
    rng = generator(config.seed, stream, group)
    if stream == "eeg" and mixing is not None:
        sfreq, unit, ch_names = config.eeg.sfreq, "microvolts", eeg_mixture.CH_NAMES
        data = eeg_mixture.mix(config.eeg, mixing, shown, rng)
        stamps = np.arange(len(data)) / sfreq
    else:
        sfreq, unit = 1 / config.units.bin, "counts"
        ch_names = tuple(f"unit-{k:03d}" for k in range(config.units.n))
        data = responses.count_spikes(responses.rates(config, shown), config.units.bin, rng)
        stamps = np.arange(1, len(data) + 1) / sfreq
    kind = {"eeg": "EEG", "spikes": "Spikes"}[stream]
    spec = StreamSpec(name=f"{config.name}-{stream}", type=kind, ch_names=ch_names, sfreq=sfreq, unit=unit)
    return Signal(spec, data, stamps)


def recording_of(
    config: WorldConfig,
    group: str,
    stimuli: list[Stimulus],
    order: list[Stimulus],
    shown: Presentations,
    signals: tuple[Signal, ...],
) -> Recording:
    """The Recording of one group: `order` was shown, all of `stimuli` belong to it."""
    spec = StreamSpec(
        name=f"{config.name}-stimuli", type="Markers", ch_names=("marker",), sfreq=0, channel_format="string"
    )
    columns = {
        "photograph": [s.photograph for s in order],
        "box": [list(s.box) for s in order],
        "concept": [s.concept for s in order],
    }
    markers = Markers(spec, tuple(s.name for s in order), shown.onsets, columns)
    meta = RecordingMeta(
        name=f"{config.name}-{group}",
        simulated=True,
        group=group,
        source=SOURCE,
        licence=LICENCE,
        details={"world": config.name, "seed": config.seed, "signal": config.noise.signal},
    )
    arrays = {s.name: s.image[None] for s in stimuli}
    return Recording(signals, (markers,), stimulus_arrays=arrays, meta=meta)


def truth_arrays(world: World) -> dict[str, NDArray[Any]]:
    """Everything the forward model drew, by name: fields, responses, gains, mixing."""
    population = world.population
    arrays: dict[str, NDArray[Any]] = {
        "fields/even": population.even,
        "fields/odd": population.odd,
        "fields/centre": population.centre,
        "envelope": responses.envelope(world.config.units, world.config.presentation),
    }
    for group, shown in world.presentations.items():
        arrays |= {f"response/{group}": shown.response, f"gain/{group}": shown.gain, f"onsets/{group}": shown.onsets}
    if world.mixing is not None:
        mixing = world.mixing
        arrays |= {"eeg/pooling": mixing.pooling, "eeg/kernels": mixing.kernels, "eeg/maps": mixing.maps}
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}


def write_world(
    world: World, out: Path, overwrite: bool = False, progress: Callable[[str], None] = lambda step: None
) -> list[Path]:
    """Write one native folder per group, ``truth.safetensors`` and ``truth.json`` into `out`; returns the folders.

    The rate of a unit is ``base + evoked * gain * response * envelope`` (Hz), see `responses.rates`.
    """
    from safetensors.numpy import save_file

    if (out / TRUTH).exists() and not overwrite:
        raise RecordingError(f"{out} already holds a simulated world; choose another folder, or --overwrite")
    folders = []
    for group, recording in world.recordings.items():
        progress(f"writing {group}")
        folders.append(write_recording(recording, out / group, overwrite))
    save_file(truth_arrays(world), out / "truth.safetensors")
    facts = {"world": world.config.model_dump(mode="json"), "kinds": list(world.population.kind)}
    (out / TRUTH).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return folders


def read(path: Path, options: WorldOptions) -> Iterator[Recording]:
    """Recordings of a world: simulated now, or read back from a folder that `write_world` made."""
    if path.is_dir() and (path / TRUTH).is_file():
        groups = json.loads((path / TRUTH).read_text(encoding="utf-8"))["world"]["groups"]
        yield from (read_recording(path / group) for group in groups)
        return
    named = world_named(path, options.world, FOLDER)
    if Path(named).is_dir():
        raise missing(Path(named), f"a world written by 'streamkit simulate' ({TRUTH})", SOURCE, FOLDER)
    yield from simulate(load_world(named, options.set), options.seed).recordings.values()
