"""Which trials are trained on, which pick the epoch, which are tested.

The published split is by trial. With tens of images, each shown many times, it trains on every image that it tests;
the other one is by what the images show, so that everything tested is new.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.image2ecog.material import Material
from calibration.image2ecog.settings import Image2EcogSettings
from streamkit.errors import ConfigError

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Parts:
    """Rows of the trials of each part."""

    train: Rows
    validation: Rows
    test: Rows


def split(material: Material, settings: Image2EcogSettings) -> Parts:
    """Deal the trials as the settings say; what falls where depends on the seed 0 alone, so folds fit together.

    Raises
    ------
    ConfigError
        When there are too few things or trials, or no such fold.
    """
    if settings.split == "trial":
        n, what = min(settings.parts, len(material.image)), "trials"
        part = np.random.default_rng(0).permutation(len(material.image)) % n
    else:
        n, what = n_things(material, settings.parts), "things in the rarest category"
        part = deal(material, n)[material.image]
    if n < 3:
        raise ConfigError(f"subject {material.subject!r} has {n} {what}; a split into three needs three")
    if settings.fold >= n:
        raise ConfigError(f"fold = {settings.fold} of {n} parts (split {settings.split!r}): they count from 0")
    test, validation = settings.fold, (settings.fold + 1) % n
    return Parts(
        np.flatnonzero((part != test) & (part != validation)),
        np.flatnonzero(part == validation),
        np.flatnonzero(part == test),
    )


def n_things(material: Material, most: int) -> int:
    """Parts that things can be dealt into so that each has one of every category."""
    shown = np.unique(material.image)
    each = [
        len(np.unique(material.thing[shown[material.category[shown] == k]]))
        for k in np.unique(material.category[shown])
    ]
    return min(most, *each)


def deal(material: Material, n: int) -> NDArray[np.intp]:
    """``(m,)`` part of each image: the things of every category are dealt in turn, with all their views."""
    rng, part = np.random.default_rng(0), np.zeros(len(material.images), np.intp)
    for category in np.unique(material.category):
        things = np.unique(material.thing[material.category == category])
        for turn, thing in enumerate(rng.permutation(things)):
            part[(material.thing == thing) & (material.category == category)] = turn % n
    return part
