"""The readable file of a simulated visual-ECoG world, checked key by key."""

from __future__ import annotations

from functools import partial
from typing import Literal

from pydantic import Field, model_validator

from calibration.datasets.ecog_pictures import CATEGORIES
from calibration.datasets.world_config import Part, Presentation, loaded

KIND = "visual-ecog"


class Images(Part):
    """What is shown.

    Parameters
    ----------
    size
        Pixels of a side.
    categories
        Names from `calibration.datasets.ecog_pictures.CATEGORIES`.
    exemplars, views, repeats
        Things of each category, images of each thing, and how often each image is shown.
    contrast
        Standard deviation every image is given, around mid-grey; values beyond [0, 1] are clipped.
    """

    size: int = Field(default=64, ge=16)
    categories: tuple[str, ...] = Field(default=CATEGORIES, min_length=2)
    exemplars: int = Field(default=5, ge=2)
    views: int = Field(default=3, ge=1)
    repeats: int = Field(default=10, ge=1)
    contrast: float = Field(default=0.2, gt=0)

    @model_validator(mode="after")
    def _can_be_drawn(self) -> Images:
        unknown = sorted(set(self.categories) - set(CATEGORIES))
        if unknown:
            raise ValueError(f"category {unknown[0]!r} cannot be drawn; there are {', '.join(CATEGORIES)}")
        return self


class Wave(Part):
    """Rate, noise and the strength of everything.

    Parameters
    ----------
    sfreq
        Hz.
    noise, exponent
        Microvolts, root mean square, of every electrode's noise, and how its power falls with frequency.
    gain_sd
        Standard deviation of the gain that all electrodes share in one presentation (log-normal, mean 1).
    bad, bad_factor
        Electrodes of each subject whose noise is so many times as large.
    signal
        Scale of what tells images apart; at 0 nothing does.
    silent
        Leave the noise out, the answers staying what they are: for oracles.
    """

    sfreq: float = Field(default=250.0, gt=0)
    noise: float = Field(default=50.0, gt=0)
    exponent: float = Field(default=1.0, ge=0)
    gain_sd: float = Field(default=0.2, ge=0)
    bad: int = Field(default=1, ge=0)
    bad_factor: float = Field(default=6.0, ge=1)
    signal: float = Field(default=1.0, ge=0)
    silent: bool = False


class Tuning(Part):
    """What an electrode's answer depends on: weights, brought to a sum of squares of 1.

    Parameters
    ----------
    shape
        Contrast energy at a place and orientation in the image.
    category
        Which kind of thing it shows.
    identity
        Which thing: nothing that another thing would tell.
    """

    shape: float = Field(default=0.0, ge=0)
    category: float = Field(default=0.0, ge=0)
    identity: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _to_something(self) -> Tuning:
        if not (self.shape or self.category or self.identity):
            raise ValueError("tuning: give shape, category or identity a weight")
        return self


class Region(Part):
    """One region of cortex.

    Parameters
    ----------
    label
        Of the Destrieux atlas.
    electrodes
        Of each subject, at least and at most.
    subjects
        How many of the subjects have any, the first ones; None for all.
    position
        Millimetres (MNI) in the right hemisphere; every second subject has them in the left.
    latency
        Seconds to the first wave.
    evoked, selective, gamma
        Root mean squares over an epoch, in noise deviations: of what all images evoke alike, of what tells them
        apart, and of a 45 Hz burst that follows fine detail.
    """

    label: str = Field(min_length=1)
    electrodes: tuple[int, int]
    subjects: int | None = Field(default=None, ge=1)
    position: tuple[float, float, float]
    latency: float = Field(default=0.1, ge=0, le=0.4)
    evoked: float = Field(default=0.0, ge=0)
    selective: float = Field(default=0.0, ge=0)
    gamma: float = Field(default=0.0, ge=0)
    tuning: Tuning

    @model_validator(mode="after")
    def _at_least_and_at_most(self) -> Region:
        if not 0 <= self.electrodes[0] <= self.electrodes[1]:
            raise ValueError(f"electrodes = {list(self.electrodes)}: give the fewest first, then the most")
        return self


class EcogWorldConfig(Part):
    """People with electrodes on their cortex who look at drawings.

    Parameters
    ----------
    name, description, seed
        What it is called and for, and the seed of everything random.
    subjects
        How many.
    """

    kind: Literal["visual-ecog"]
    name: str
    description: str = ""
    seed: int = Field(0, ge=0)
    subjects: int = Field(default=8, ge=1)
    images: Images = Images()
    presentation: Presentation = Presentation(on=0.2, off=0.6)
    signal: Wave = Wave()
    regions: tuple[Region, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _each_region_once(self) -> EcogWorldConfig:
        labels = [region.label for region in self.regions]
        if len(set(labels)) < len(labels):
            raise ValueError("regions: a label is there more than once")
        return self


load_ecog_world = partial(loaded, EcogWorldConfig, KIND)
"""`calibration.datasets.world_config.loaded`, of a world of this kind."""
