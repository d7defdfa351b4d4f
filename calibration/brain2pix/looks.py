"""What pictures are compared through: pixels, layers of AlexNet with weights of yours, any network for video.

Each `Look` turns pictures into one vector per frame. The paper's are AlexNet's second and fifth pool and its first
fully connected layer, and C3D's; whoever has C3D, or another network for clips, gives it as a module (`of_video`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calibration.features.extract import extract
from streamkit.errors import BadInput, require

if TYPE_CHECKING:
    from torch import nn

Array = NDArray[np.floating]
ALEXNET = {"AlexNet pool2": "alexnet_pool2", "AlexNet pool5": "alexnet_pool5", "AlexNet fc6": "alexnet_fc6"}
"""What the paper calls a layer, and its row among the features."""
CLIP, SIDE = 16, 112
"""Frames and pixels of the clips that C3D takes."""
AT_ONCE = 64


@dataclass(frozen=True)
class Look:
    """Something that pictures are looked at through.

    Attributes
    ----------
    vectors
        From pictures ``(n, 3, H, W)`` in [0, 1], in order of time, to ``(n, d)``.
    """

    name: str
    vectors: Callable[[Array], Array]


def pixels(pictures: Array) -> Array:
    """``(n, values)``."""
    return np.asarray(pictures, np.float32).reshape(len(pictures), -1)


def oriented(pictures: Array) -> Array:
    """Maps of the oriented filters of the feature loss, flattened: ``(n, values)``."""
    torch = require("torch", "train", "comparing pictures")
    from calibration.brain2pix.features import Oriented

    bank, parts = Oriented(), []
    with torch.inference_mode():
        for at in range(0, len(pictures), AT_ONCE):
            maps = bank(torch.from_numpy(np.ascontiguousarray(pictures[at : at + AT_ONCE], np.float32)))
            parts.append(torch.cat([each.flatten(1) for each in maps[::2]], 1).numpy())
    return np.concatenate(parts)


def of_layer(features: str, weights: Path, pictures: Array) -> Array:
    """One layer of a network of the table of features, with the weights in a file."""
    return extract(np.clip(np.asarray(pictures, np.float32), 0, 1), features, weights)


def of_video(module: nn.Module, name: str, frames: int = CLIP, side: int = SIDE) -> Look:
    """What any network for clips says of the clip that ends with each frame.

    Parameters
    ----------
    module
        From clips ``(B, 3, frames, side, side)`` in [0, 1] to ``(B, …)``; it normalises by itself where it has to.
    name
        What results call it: there is no C3D here, and another network gives other figures.
    """
    if not name:
        raise BadInput("a network for video was given without a name: say which it is, for it stands in the result")
    return Look(name, partial(clip_vectors, module, frames, side))


def clip_vectors(module: nn.Module, frames: int, side: int, pictures: Array) -> Array:
    """``(n, d)`` what a network says of the clips that end with each picture; before the first one it is repeated."""
    torch = require("torch", "train", "comparing pictures")
    given = torch.from_numpy(np.ascontiguousarray(pictures, np.float32))
    sized = torch.nn.functional.interpolate(given, (side, side), mode="bilinear", align_corners=False)
    padded = torch.cat([sized[:1].expand(frames - 1, *sized.shape[1:]), sized])
    parts = []
    with torch.inference_mode():
        for at in range(len(pictures)):
            clip = padded[at : at + frames].transpose(0, 1)[None]
            parts.append(module.eval()(clip).flatten(1).float().numpy())
    return np.concatenate(parts)


ORIENTED = Look("oriented filters", oriented)


def looks_of(weights: Mapping[str, Path] | None = None) -> tuple[Look, ...]:
    """The looks there are weights for: AlexNet's three layers with a file called ``alexnet``, and oriented filters.

    Raises
    ------
    BadInput
        For weights of a network that nothing looks through.
    """
    files = dict(weights or {})
    alexnet = files.pop("alexnet", None)
    if files:
        raise BadInput(f"weights were given for {next(iter(files))!r}, expected 'alexnet'")
    layers = [Look(name, partial(of_layer, row, Path(alexnet))) for name, row in ALEXNET.items() if alexnet]
    return (*layers, ORIENTED)
