"""An encoder that is open: images in, features out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.features.gabor import gabor_pyramid
from calibration.features.images import Preparation, checked
from calibration.features.row import FeatureRow
from calibration.features.weights import digest, fill, read_state
from streamkit.errors import BadInput, StreamkitError, require

Features = NDArray[np.float32]
WEIGHT_FREE = "weight-free"


@dataclass(frozen=True)
class Encoder:
    """Maps images to features.

    Attributes
    ----------
    row
        Which encoder it is.
    weights
        sha256 (hex) of its weight file, ``"weight-free"`` where there is none.
    published
        Whether that file is the one its authors publish; None where they do not say how to tell.
    """

    row: FeatureRow
    weights: str
    published: bool | None
    run: Callable[[Features], Features]

    def encode(self, images: Features) -> Features:
        """``(n, 3 or 1, H, W)`` float32 in [0, 1] to ``(n, row.dim)`` float32.

        Raises
        ------
        StreamkitError
            When the network gives something else than the table says, or values that are not finite.
        """
        features = self.run(checked(images))
        if features.shape != (len(images), self.row.dim) or not np.isfinite(features).all():
            raise StreamkitError(
                f"encoder {self.row.name!r} gave {features.shape} for {len(images)} images, or values that are not "
                f"finite; expected {self.row.dim} finite values each: its weights are not what they should be"
            )
        return features


def open_encoder(row: FeatureRow, weights: Path | str | None = None, device: str = "cpu") -> Encoder:
    """Build an encoder and fill it with the weights that the user has.

    Parameters
    ----------
    weights
        File as its authors publish it; None for an encoder that needs none.
    device
        As PyTorch calls it, ``"cuda"``.

    Raises
    ------
    BadInput
        When the file is missing, damaged, or that of another network.
    """
    if row.network is None:
        return Encoder(row, WEIGHT_FREE, None, gabor_pyramid)
    file = weight_file(row, weights)
    found = digest(file)
    module = row.network.build()
    fill(module, read_state(file), row.network.prefix, row.network.beside, f"the weights {file} of {row.name!r}")
    module.eval().to(device)
    published = found.startswith(row.network.sha256) if row.network.sha256 else None
    return Encoder(row, found, published, partial(_run, module, row.network.preparation, device))


def identity(row: FeatureRow, weights: Path | str | None) -> str:
    """sha256 of the weight file, ``"weight-free"`` where there is none; nothing is loaded."""
    return digest(weight_file(row, weights)) if row.needs_weights else WEIGHT_FREE


def weight_file(row: FeatureRow, weights: Path | str | None) -> Path:
    """The file, if it is there.

    Raises
    ------
    BadInput
        When it is not: says what is missing, where its authors publish it, and which option to give.
    """
    if weights is not None and Path(weights).is_file():
        return Path(weights)
    network = row.network
    where = f" ({network.file} at {network.url}; licence {row.licence})" if network else ""
    given = "none were given" if weights is None else f"{weights} is no file"
    raise BadInput(
        f"encoder {row.name!r} needs the weights of its authors{where}, which streamkit neither has nor fetches; "
        f"{given}. Fetch that file and give its path as `weights`, or use 'gabor_pyramid', which needs none"
    )


def _run(module: Any, preparation: Preparation, device: str, images: Features) -> Features:
    torch = require("torch", "features", "an encoder")
    with torch.inference_mode():
        said = module(torch.from_numpy(preparation.apply(images)).to(device))
        said = next(iter(said.values())) if isinstance(said, dict) else said
        features: Features = said.flatten(1).float().cpu().numpy()
    return features
