"""The readable file of a simulated primary visual cortex, checked key by key."""

from __future__ import annotations

from functools import partial
from typing import Literal

from pydantic import Field, model_validator

from calibration.datasets.world_config import Group, Noise, Part, Patches, loaded

KIND = "v1"


class Sheet(Part):
    """The sheet of cortex, and what its units look at.

    Parameters
    ----------
    height
        Pixels of a picture from top to bottom; its width is ``patches.size``.
    size
        Micrometres of cortex, down and across.
    rotation
        Degrees by which the map of the visual field is turned on the sheet.
    scatter
        Pixels (standard deviation) by which a unit looks beside what its place on the sheet says.
    """

    height: int = Field(default=18, ge=8)
    size: tuple[float, float] = (900.0, 1600.0)
    rotation: float = 20.0
    scatter: float = Field(default=1.0, ge=0)


class Units(Part):
    """The units and their counts.

    Parameters
    ----------
    luminance, simple, complex
        Number of units of each kind (see `calibration.datasets.fields`).
    base, evoked
        Counts of a presentation without a picture, and what one adds, mean over units and training pictures.
    spread
        Standard deviation of the logarithm of a unit's evoked counts.
    """

    luminance: int = Field(default=800, ge=0)
    simple: int = Field(default=700, ge=0)
    complex: int = Field(default=500, ge=0)
    base: float = Field(default=0.2, gt=0)
    evoked: float = Field(default=2.0, gt=0)
    spread: float = Field(default=0.5, ge=0)

    @property
    def n(self) -> int:
        """Number of units."""
        return self.luminance + self.simple + self.complex


class V1Config(Part):
    """Mice that look at photographs.

    Parameters
    ----------
    name, description, seed
        What it is called and for, and the seed of everything random.
    animals
        Names of the mice; each has units of its own, and all see the same pictures.
    groups
        The Recordings of a mouse by group name; no photograph may be in two.
    sfreq
        Presentations per second, nominally.
    """

    kind: Literal["v1"]
    name: str
    description: str = ""
    seed: int = Field(0, ge=0)
    animals: tuple[str, ...] = Field(default=("m1",), min_length=1)
    groups: dict[str, Group]
    patches: Patches = Patches()
    sheet: Sheet = Sheet()
    units: Units = Units()
    noise: Noise = Noise()
    sfreq: float = Field(default=2.0, gt=0)

    @model_validator(mode="after")
    def _fits(self) -> V1Config:
        seen: dict[str, str] = {}
        for group, part in self.groups.items():
            for photograph in part.photographs:
                if photograph in seen:
                    raise ValueError(f"photograph {photograph!r} is in the groups {seen[photograph]!r} and {group!r}")
                seen[photograph] = group
            if part.exemplars != 1:
                raise ValueError(f"groups.{group}.exemplars = {part.exemplars}: this kind of world has one of each")
        if "train" not in self.groups:
            raise ValueError("one group must be called 'train': it sets the scale of the responses")
        if not self.units.n:
            raise ValueError("the population has no units")
        if self.sheet.height > self.patches.size:
            raise ValueError(f"sheet.height = {self.sheet.height} is more than the width, patches.size")
        if len(set(self.animals)) < len(self.animals):
            raise ValueError("animals: a name is there more than once")
        return self


load_v1 = partial(loaded, V1Config, KIND)
"""`calibration.datasets.world_config.loaded`, of a world of this kind."""
