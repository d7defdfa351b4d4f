"""Photographs that ship inside the scikit-image and scikit-learn wheels, and the patches cut from them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration.datasets.world_config import Group, Patches
from streamkit.errors import ConfigError, MissingPackage, require

SKIMAGE = ("skimage/data", "_skimage2/data")
SKLEARN = ("sklearn/datasets/images",)
PHOTOGRAPHS = {
    "astronaut": (SKIMAGE, "astronaut.png"),
    "brick": (SKIMAGE, "brick.png"),
    "camera": (SKIMAGE, "camera.png"),
    "chelsea": (SKIMAGE, "chelsea.png"),
    "china": (SKLEARN, "china.jpg"),
    "coffee": (SKIMAGE, "coffee.png"),
    "coins": (SKIMAGE, "coins.png"),
    "flower": (SKLEARN, "flower.jpg"),
    "grass": (SKIMAGE, "grass.png"),
    "gravel": (SKIMAGE, "gravel.png"),
    "hubble": (SKIMAGE, "hubble_deep_field.jpg"),
    "moon": (SKIMAGE, "moon.png"),
    "motorcycle": (SKIMAGE, "motorcycle_left.png"),
    "retina": (SKIMAGE, "retina.jpg"),
    "rocket": (SKIMAGE, "rocket.jpg"),
}
"""Name → places it may lie in, and file. Of a stereo pair only one side is listed: both show one scene."""


TRIES = 60
"""Squares looked at for each further exemplar."""


@dataclass(frozen=True)
class Stimulus:
    """One patch.

    Attributes
    ----------
    name
        File name.
    photograph, box
        Where it was cut: top, left and side in pixels.
    image
        ``(size, size)`` float32 in [0, 1].
    concept
        What it has in common with the other exemplars cut around the same place.
    """

    name: str
    photograph: str
    box: tuple[int, int, int]
    image: NDArray[np.float32]
    concept: str


def locate(name: str) -> Path:
    """The file of a photograph.

    Raises
    ------
    ConfigError
        For a name that is not in `PHOTOGRAPHS`.
    MissingPackage
        When the package that ships it is not installed.
    """
    if name not in PHOTOGRAPHS:
        raise ConfigError(f"no photograph {name!r}; known are {', '.join(PHOTOGRAPHS)}")
    places, file = PHOTOGRAPHS[name]
    for place in places:
        package, _, rest = place.partition("/")
        spec = find_spec(package)
        for root in (spec.submodule_search_locations or ()) if spec else ():
            if (found := Path(root, rest, file)).is_file():
                return found
    package = "scikit-image" if places is SKIMAGE else "scikit-learn"
    raise MissingPackage(
        f"the photograph {name!r} ({file}) ships with {package}, which is not installed or lacks it. "
        "Install it with: pip install 'streamkit[images]'"
    )


def load_grey(name: str) -> NDArray[np.float32]:
    """A photograph as ``(height, width)`` float32 luminance in [0, 1] (ITU-R 601 weights); not to be written to."""
    return _grey(locate(name))


def load_colour(name: str) -> NDArray[np.float32]:
    """A photograph as ``(3, height, width)`` float32 in [0, 1], a grey one with three channels alike; read only."""
    return _colour(locate(name))


@cache
def _colour(file: Path) -> NDArray[np.float32]:
    image = require("PIL.Image", "images", "reading photographs")
    with image.open(file) as picture:
        pixels = np.asarray(picture.convert("RGB"), np.float32) / np.float32(255)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


@cache
def _grey(file: Path) -> NDArray[np.float32]:
    image = require("PIL.Image", "images", "reading photographs")
    with image.open(file) as picture:
        return np.asarray(picture.convert("L"), np.float32) / np.float32(255)


def cut(name: str, patches: Patches) -> list[Stimulus]:
    """All patches of one photograph that have enough contrast, scale by scale, row by row."""
    photograph = load_grey(name)
    found = []
    for scale in patches.scales:
        step = max(1, round(scale * (1 - patches.overlap)))
        for top in range(0, photograph.shape[0] - scale + 1, step):
            for left in range(0, photograph.shape[1] - scale + 1, step):
                small = shrink(photograph[top : top + scale, left : left + scale], patches.size)
                if is_good(small, patches):
                    image, concept = normalise(small, patches.contrast), f"{name}_{len(found):04d}"
                    found.append(Stimulus(f"{concept}.png", name, (top, left, scale), image, concept))
    return found


def is_good(patch: NDArray[np.float32], patches: Patches) -> bool:
    """Whether a patch has the contrast and the structure that are asked for."""
    return bool(patch.std() >= patches.min_contrast and structure(patch) >= patches.min_structure)


def exemplars_of(stimulus: Stimulus, n: int, patches: Patches, rng: np.random.Generator) -> list[Stimulus]:
    """Up to `n` exemplars of a patch's concept: itself, and good squares of its side beside it."""
    photograph, (top, left, scale) = load_grey(stimulus.photograph), stimulus.box
    found = [replace(stimulus, name=f"{stimulus.concept}_0.png")] if n > 1 else [stimulus]
    reach = max(1, round(patches.shift * scale))
    for _ in range(TRIES * (n - 1)):
        corner = np.array([top, left]) + rng.integers(-reach, reach + 1, 2)
        down, right = np.clip(corner, 0, np.array(photograph.shape) - scale).tolist()
        small = shrink(photograph[down : down + scale, right : right + scale], patches.size)
        if is_good(small, patches) and (down, right, scale) not in [each.box for each in found]:
            image, name = normalise(small, patches.contrast), f"{stimulus.concept}_{len(found)}.png"
            found.append(Stimulus(name, stimulus.photograph, (down, right, scale), image, stimulus.concept))
        if len(found) == n:
            break
    return found


def shrink(square: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """A square averaged down to ``(size, size)``."""
    edges = np.linspace(0, len(square), size + 1).round().astype(int)
    sums = np.add.reduceat(np.add.reduceat(square, edges[:-1], axis=0), edges[:-1], axis=1)
    return (sums / np.outer(np.diff(edges), np.diff(edges))).astype(np.float32)


def structure(patch: NDArray[np.float32]) -> float:
    """Share of a patch's variance that is left after averaging it down four times: near 0 for mere texture."""
    return float(shrink(patch, len(patch) // 4).var() / patch.var())


def normalise(patch: NDArray[np.float32], contrast: float) -> NDArray[np.float32]:
    """A patch around mid-grey with one standard deviation for all, in steps of 1/255 as a PNG keeps them."""
    scaled = 0.5 + (patch - patch.mean()) * (contrast / patch.std())
    return (np.round(np.clip(scaled, 0, 1) * 255) / 255).astype(np.float32)


def choose(group: Group, patches: Patches, rng: np.random.Generator) -> list[Stimulus]:
    """`group.n_patches` patches in random order, as evenly over the group's photographs as they allow.

    Where a group has several exemplars, those of one concept follow each other; places around which there are not as
    many good squares are passed over.

    Raises
    ------
    ConfigError
        When the photographs do not have so many patches.
    """
    piles = [cut(name, patches) for name in group.photographs]
    piles = [[pile[k] for k in rng.permutation(len(pile))] for pile in piles]
    if sum(map(len, piles)) < group.n_patches:
        raise ConfigError(
            f"{group.n_patches} patches were asked for, but the photographs {', '.join(group.photographs)} have "
            f"{sum(map(len, piles))}; ask for fewer, add photographs, or raise patches.overlap"
        )
    taken: list[list[Stimulus]] = []
    while len(taken) < group.n_patches and any(piles):
        for pile in piles:
            if pile and len(around := exemplars_of(pile.pop(), group.exemplars, patches, rng)) == group.exemplars:
                taken.append(around)
    if len(taken) < group.n_patches:
        raise ConfigError(
            f"{group.n_patches} places with {group.exemplars} exemplars each were asked for, the photographs "
            f"{', '.join(group.photographs)} have {len(taken)}: ask for fewer, or raise patches.shift"
        )
    taken = taken[: group.n_patches]
    return [one for k in rng.permutation(len(taken)) for one in taken[k]]
