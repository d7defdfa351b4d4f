"""A simulated monkey that watches cues and moving dots: clips, tuning and spikes of six regions, from one TOML file.

A site's rate is its base, plus what every onset evokes, plus its tuning to the cue (while the cue is on) and to colour
and direction (while the dots are), times a gain that its region shares in a trial; counts are Poisson. Regions differ
in how much of the tuning they have, which the file says.

What becomes a stream: the counts of all sites (type ``Spikes``, unit ``counts``), trial after trial, as
`calibration.datasets.dots_recording` says. Each group of the world is a Recording; ``meta.simulated`` is True.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration.datasets.dots_clips import Pixels, clips_of, conditions_of, stages_of
from calibration.datasets.dots_config import DotsConfig, Spikes, load_dots
from calibration.datasets.dots_recording import Shown, ch_names_of, recording_of, spec_of
from calibration.datasets.world import generator
from calibration.datasets.world_config import WorldOptions, configured, seeded
from calibration.spikes2video.material import Conditions, Stages, Trials
from streamkit.recording import Recording, RecordingMeta, Signal

SOURCE = "simulated by streamkit: random dots, and spikes from a stated forward model"
LICENCE = "as streamkit"
FOLDER = "a dots world's TOML file, or the name of a shipped one"
STEP = 0.01
"""Seconds between the points at which a rate is worked out."""
SPREAD = 0.3
"""Standard deviation of the logarithm of a site's base rate."""
WIDTH = 2.0
"""Concentration of direction tuning (von Mises)."""

FloatArray = NDArray[np.float64]


class DotsOptions(WorldOptions):
    """Which world, what to change in it, and what becomes of its frames.

    Parameters
    ----------
    frames
        An event and a stimulus for every frame, rather than one per trial.
    """

    frames: bool = False


@dataclass(frozen=True)
class DotsWorld:
    """A simulated dots world; what it shows and what it answers are worked out once.

    Attributes
    ----------
    config
        What it is made from, with the seed used.
    """

    config: DotsConfig
    _counts: dict[str, NDArray[np.float32]] = field(default_factory=dict, repr=False)

    @cached_property
    def conditions(self) -> Conditions:
        """What each condition shows."""
        return conditions_of(self.config.clip)

    @cached_property
    def stages(self) -> Stages:
        """Frames of each stage."""
        return stages_of(self.config.clip)

    @cached_property
    def videos(self) -> Pixels:
        """Every clip: uint8 ``(n_conditions * clips, 3, n_frames, side, side)``."""
        clip = self.config.clip
        return clips_of(clip, [generator(self.config.seed, "clip", str(k)) for k in range(clip.clips)])

    @cached_property
    def region(self) -> NDArray[np.str_]:
        """``(n_sites,)`` region of each site."""
        return np.repeat([region.name for region in self.config.regions], [r.sites for r in self.config.regions])

    @cached_property
    def rates(self) -> FloatArray:
        """``(n_conditions, n_bins, n_sites)`` Hz at a gain of 1: the truth that an oracle may use."""
        return rates_of(self.config, self.conditions, self.stages)

    def shown(self, group: str) -> Shown:
        """What one group shows: every condition as often as the next, in random order."""
        config, n_conditions = self.config, len(self.conditions)
        each = np.repeat(np.arange(n_conditions), config.groups[group])
        order = generator(config.seed, "order", group).permutation(each)
        before = sum(earlier(config.groups, group))
        turn = np.array([np.count_nonzero(order[:k] == order[k]) for k in range(len(order))], np.intp)
        length = self.stages.n_frames / config.clip.sfreq + config.timing.between
        onsets = config.timing.lead + length * np.arange(len(order))
        clip = (before + turn) % config.clip.clips
        return Shown(onsets, order, clip, self.conditions, self.videos, config.clip.sfreq, self.stages)

    def counts(self, group: str) -> NDArray[np.float32]:
        """``(n, n_bins, n_sites)`` spike counts of the trials of one group."""
        if group not in self._counts:
            rng = generator(self.config.seed, "spikes", group)
            shown = self.shown(group)
            gain = gains(self.config, len(shown.onsets), rng)
            expected = (
                self.rates[k] * by * self.config.spikes.bin for k, by in zip(shown.condition, gain, strict=True)
            )
            self._counts[group] = np.stack([rng.poisson(mean).astype(np.float32) for mean in expected])
        return self._counts[group]

    def trials(self, group: str) -> Trials:
        """Trials of one group, all sites at once."""
        shown = self.shown(group)
        return Trials(
            self.counts(group),
            shown.condition,
            self.region,
            self.videos,
            shown.row,
            self.conditions,
            self.stages,
            1 / self.config.spikes.bin,
            np.full(len(shown.condition), group),
        )

    def recording(self, group: str, frames: bool = False) -> Recording:
        """The Recording of one group; see `calibration.datasets.dots_recording`."""
        config, shown = self.config, self.shown(group)
        signal = Signal(
            spec_of(f"{config.name}-spikes", ch_names_of(self.region.tolist()), config.spikes.bin), *self._stream(group)
        )
        meta = RecordingMeta(
            name=f"{config.name}-{group}",
            simulated=True,
            group=group,
            source=SOURCE,
            licence=LICENCE,
            details={"world": config.name, "seed": config.seed, "signal": config.noise.signal}
            | {"stages": list(self.stages)},
        )
        return recording_of(signal, shown, config.name, meta, frames)

    def _stream(self, group: str) -> tuple[NDArray[np.float32], FloatArray]:
        """Counts from beginning to end, the dark screen between trials with them, and their stamps."""
        config, shown, counts = self.config, self.shown(group), self.counts(group)
        size = config.spikes.bin
        first = np.round(shown.onsets / size).astype(int)
        n_bins = first[-1] + counts.shape[1] + round(config.timing.between / size)
        rng = generator(config.seed, "dark", group)
        stream = rng.poisson(base_rates(config) * size, (n_bins, config.n_sites)).astype(np.float32)
        for at, trial in zip(first, counts, strict=True):
            stream[at : at + len(trial)] = trial
        return stream, np.arange(1, n_bins + 1) * size


def earlier(groups: dict[str, int], group: str) -> list[int]:
    """Trials of each condition in the groups that stand before one in the file."""
    return list(groups.values())[: list(groups).index(group)]


def simulate(config: DotsConfig, seed: int | None = None) -> DotsWorld:
    """The world of a configuration; `seed` instead of its own."""
    return DotsWorld(seeded(config, seed))


def base_rates(config: DotsConfig) -> FloatArray:
    """``(n_sites,)`` Hz with nothing on the screen."""
    return config.spikes.base * generator(config.seed, "base").lognormal(-(SPREAD**2) / 2, SPREAD, config.n_sites)


def gains(config: DotsConfig, n: int, rng: np.random.Generator) -> FloatArray:
    """``(n, n_sites)`` gain of every site in every trial; sites of a region share theirs."""
    sd = np.sqrt(np.log1p(config.noise.gain_sd**2))
    drawn = rng.lognormal(-(sd**2) / 2, sd, (n, len(config.regions)))
    return np.repeat(drawn, [region.sites for region in config.regions], axis=1)


def rates_of(config: DotsConfig, conditions: Conditions, stages: Stages) -> FloatArray:
    """``(n_conditions, n_bins, n_sites)`` Hz, at a gain of 1."""
    spikes = config.spikes
    course = {stage: envelope(spikes, stages, stage, config.clip.sfreq) for stage in stages._fields}
    onset = sum(course.values())
    parts = []
    for region in config.regions:
        rng = generator(config.seed, "tuning", region.name)
        tuned = {what: tuning(what, region.sites, conditions, rng) for what in ("cue", "colour", "direction")}
        dots = region.colour * tuned["colour"] + region.direction * tuned["direction"]
        shown = (
            course["cue"][:, None] * region.cue * tuned["cue"][:, None] + course["stimulus"][:, None] * dots[:, None]
        )
        parts.append(spikes.evoked * region.evoked * onset[:, None] + spikes.tuned * config.noise.signal * shown)
    return np.maximum(np.concatenate(parts, axis=2) + base_rates(config), 0.0)


def tuning(what: str, n_sites: int, conditions: Conditions, rng: np.random.Generator) -> FloatArray:
    """``(n_conditions, n_sites)`` of mean 0 and mean square 1 over what there is to tell apart.

    Direction is tuned around a preferred one, cues and colours at random.
    """
    cell = conditions.cell(what)
    values = np.unique(cell)
    if what == "direction":
        angle = np.deg2rad([conditions.direction[cell == value][0] for value in values])
        preferred = rng.uniform(-np.pi, np.pi, n_sites)
        curve = np.exp(WIDTH * (np.cos(angle[:, None] - preferred) - 1))
    else:
        curve = rng.standard_normal((len(values), n_sites))
    curve = curve - curve.mean(0)
    return (curve / np.sqrt((curve**2).mean(0)))[cell]


def envelope(spikes: Spikes, stages: Stages, stage: str, sfreq: float) -> FloatArray:
    """``(n_bins,)`` course of the answer to what one stage shows: its mean in every bin of a trial."""
    frames = stages.frames(stage)
    begin, end = frames.start / sfreq + spikes.latency, frames.stop / sfreq + spikes.latency
    per_bin = max(1, round(spikes.bin / STEP))
    n_bins = round(stages.n_frames / sfreq / spikes.bin)
    times = (np.arange(n_bins * per_bin) + 0.5) * spikes.bin / per_bin
    since = times - begin
    course = spikes.sustained + (1 - spikes.sustained) * np.exp(-np.maximum(since, 0) / spikes.transient)
    return np.where((since >= 0) & (times < end), course, 0.0).reshape(n_bins, per_bin).mean(1)


def world_of(path: Path, options: DotsOptions) -> DotsWorld:
    """The world that a path and options name.

    Raises
    ------
    ConfigError
        When neither does.
    """
    return DotsWorld(configured(path, options, load_dots, FOLDER))


def read(path: Path, options: DotsOptions) -> Iterator[Recording]:
    """Recordings of a dots world, simulated now."""
    world = world_of(path, options)
    for group in world.config.groups:
        yield world.recording(group, options.frames)
