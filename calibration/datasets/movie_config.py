"""The readable file of a movie world, checked key by key."""

from __future__ import annotations

from functools import partial
from typing import Literal

from pydantic import Field, model_validator

from calibration.datasets.world_config import Part, loaded

KIND = "movie"


class Runs(Part):
    """Runs of one part of the world: ``train-1``, ``train-2`` and so on, a Recording each.

    Parameters
    ----------
    photographs
        Names from `calibration.datasets.photographs.PHOTOGRAPHS`; no other part may show one of them.
    runs, frames
        How many runs, and frames of each.
    repeats
        How often each run was watched; the Recording holds the mean.
    """

    photographs: tuple[str, ...] = Field(min_length=1)
    runs: int = Field(ge=1)
    frames: int = Field(ge=8)
    repeats: int = Field(default=1, ge=1)


class Film(Part):
    """Pictures cut from photographs by a window that moves over them, shot after shot.

    Parameters
    ----------
    side
        Pixels of a frame's height and width.
    tr
        Seconds of a frame, and of a volume of the scanner.
    shot
        Frames of a shot, from and to.
    window
        Side of the window, part of the photograph's shorter side, from and to.
    travel
        Part of its side by which the window moves from frame to frame, at most.
    """

    side: int = Field(default=32, ge=8)
    tr: float = Field(default=0.7, gt=0)
    shot: tuple[int, int] = (6, 16)
    window: tuple[float, float] = (0.35, 0.8)
    travel: float = Field(default=0.06, ge=0, le=0.5)

    @model_validator(mode="after")
    def _from_small_to_great(self) -> Film:
        if not 1 <= self.shot[0] <= self.shot[1] or not 0 < self.window[0] <= self.window[1] <= 1:
            raise ValueError("shot and window each need a smaller number, then a greater one; window at most 1")
        return self


class Area(Part):
    """Voxels of one area.

    Parameters
    ----------
    size, slope
        Deviation of a voxel's receptive field in the middle, and what it grows by with the distance from there; parts
        of the picture's side.
    contrast
        Part of the voxels that answer to the contrast within their field; the others answer to its brightness.
    """

    name: str = Field(min_length=1)
    voxels: int = Field(ge=1)
    size: float = Field(gt=0)
    slope: float = Field(default=0.0, ge=0)
    contrast: float = Field(default=0.0, ge=0, le=1)


class Retinotopy(Part):
    """Where voxels look: dense in the middle, thinning outwards.

    Parameters
    ----------
    magnified
        Distance from the middle, part of the picture's side, at which the density has halved.
    reach
        Of the outermost voxel.
    colour
        Deviation of the weights of red, green and blue around those of luminance.
    """

    magnified: float = Field(default=0.12, gt=0)
    reach: float = Field(default=0.48, gt=0, le=0.5)
    colour: float = Field(default=0.25, ge=0)


class Haemodynamics(Part):
    """The answer to a moment of activity: a gamma, then an undershoot; seconds.

    Parameters
    ----------
    peak, width
        When the answer is greatest, and how long it lasts (deviation).
    under, undershoot
        When the undershoot is, and how deep beside the answer.
    length
        How long all of it takes.
    """

    peak: float = Field(default=4.6, gt=0)
    width: float = Field(default=1.6, gt=0)
    under: float = Field(default=11.0, gt=0)
    undershoot: float = Field(default=0.15, ge=0)
    length: float = Field(default=19.6, gt=0)


class Noise(Part):
    """What varies beside the picture; the answer of every voxel to it has variance 1 over training.

    Parameters
    ----------
    signal
        Scale of the answer; at 0 nothing tells what was shown.
    sd, memory
        Deviation of a voxel's own noise, and its correlation from volume to volume.
    shared
        Deviation of what all voxels of an area have in common.
    """

    signal: float = Field(default=1.0, ge=0)
    sd: float = Field(default=0.6, ge=0)
    memory: float = Field(default=0.3, ge=0, lt=1)
    shared: float = Field(default=0.2, ge=0)


class MovieConfig(Part):
    """Somebody who watches films in a scanner.

    Parameters
    ----------
    name, description, seed
        What it is called and for, and the seed of everything random.
    parts
        ``train`` and others.
    areas
        In the order of the channels.
    """

    kind: Literal["movie"]
    name: str
    description: str = ""
    seed: int = Field(0, ge=0)
    parts: dict[str, Runs]
    film: Film = Film()
    areas: tuple[Area, ...] = Field(min_length=1)
    retinotopy: Retinotopy = Retinotopy()
    haemodynamics: Haemodynamics = Haemodynamics()
    noise: Noise = Noise()

    @model_validator(mode="after")
    def _fits(self) -> MovieConfig:
        if "train" not in self.parts:
            raise ValueError("one part must be called 'train': it sets the scale of the answers")
        shown = [name for runs in self.parts.values() for name in set(runs.photographs)]
        if twice := sorted({name for name in shown if shown.count(name) > 1}):
            raise ValueError(f"photograph {twice[0]!r} is in two parts; a split goes between photographs")
        names = [area.name for area in self.areas]
        if len(set(names)) < len(names):
            raise ValueError("areas: a name is there more than once")
        return self

    @property
    def runs(self) -> dict[str, str]:
        """The part of every run, by the run's name."""
        return {f"{name}-{k + 1}": name for name, part in self.parts.items() for k in range(part.runs)}

    @property
    def n_voxels(self) -> int:
        """Of all areas."""
        return sum(area.voxels for area in self.areas)


load_movie = partial(loaded, MovieConfig, KIND)
"""`calibration.datasets.world_config.loaded`, of a world of this kind."""
