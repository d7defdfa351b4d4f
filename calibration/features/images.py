"""What an encoder is given: images that are checked, and prepared as its authors prepared theirs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.features.resample import Images, Interpolation, resize
from streamkit.errors import BadInput

ROUNDING = 1e-5
Three = tuple[float, float, float]


def checked(images: NDArray[Any]) -> Images:
    """Images as ``(n, 3 or 1, H, W)`` float32 in [0, 1].

    Raises
    ------
    BadInput
        When they are anything else; says what came and what to do.
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[1] not in (1, 3) or 0 in images.shape[2:]:
        raise BadInput(f"the images have shape {images.shape}, expected (n, 3 or 1, height, width): transpose them")
    if not np.issubdtype(images.dtype, np.floating):
        raise BadInput(f"the images are {images.dtype}, expected floats in [0, 1]: divide 8-bit values by 255")
    if images.size and not (images.min() >= -ROUNDING and images.max() <= 1 + ROUNDING):  # a NaN fails both
        raise BadInput(
            f"the images hold values from {images.min():.3g} to {images.max():.3g}, expected [0, 1]: scale them first"
        )
    return np.ascontiguousarray(images, np.float32)


def coloured(images: Images) -> Images:
    """Three channels of each image; grey ones are repeated."""
    return images if images.shape[1] == 3 else np.repeat(images, 3, axis=1)


@dataclass(frozen=True)
class Preparation:
    """How images become what a network was trained on.

    Attributes
    ----------
    size
        Pixels of a side of what goes in.
    mean, std
        Of the three channels: subtracted and divided by, after scaling to [0, 1].
    interpolation
        ``"bilinear"`` or ``"bicubic"``, antialiased.
    shorter
        The shorter side is brought to it and the centre is cut out; None brings both sides to `size` and cuts nothing.
    """

    size: int
    mean: Three
    std: Three
    interpolation: Interpolation = "bilinear"
    shorter: int | None = None

    def apply(self, images: Images) -> Images:
        """``(n, 3 or 1, H, W)`` in [0, 1] to ``(n, 3, size, size)``, standardised."""
        cut = self._cut(images)
        mean, std = (np.array(each, np.float32)[:, None, None] for each in (self.mean, self.std))
        return (coloured(cut) - mean) / std

    def _cut(self, images: Images) -> Images:
        if self.shorter is None:
            return resize(images, (self.size, self.size), self.interpolation)
        height, width = images.shape[2:]
        small = min(height, width)
        size = int(self.shorter * height / small), int(self.shorter * width / small)
        return centre(resize(images, size, self.interpolation), self.size)


def centre(images: Images, size: int) -> Images:
    """The square of `size` pixels in the middle."""
    top, left = (round((side - size) / 2) for side in images.shape[2:])
    return images[:, :, top : top + size, left : left + size]
