"""Features of images: from the cache where they are there, from the encoder where not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.features.encoder import identity, open_encoder
from calibration.features.images import checked
from calibration.features.row import FeatureRow
from calibration.features.store import Store, pixel_keys
from calibration.features.table import DEFAULT, FEATURES
from calibration.progress import Progress
from streamkit.errors import ConfigError, did_you_mean

Features = NDArray[np.float32]
BATCH = 32
KEPT_EVERY = 16
"""Batches after which what was computed goes to the disk, so that an interrupted run goes on from there."""


def feature_row(name: str, table: Mapping[str, FeatureRow] = FEATURES) -> FeatureRow:
    """The encoder called `name`.

    Raises
    ------
    ConfigError
        When there is none; names the closest.
    """
    if name not in table:
        raise ConfigError(f"there is no encoder {name!r}.{did_you_mean(name, table)} Encoders: {', '.join(table)}")
    return table[name]


def extract(
    images: NDArray[Any],
    name: str = DEFAULT,
    weights: Path | str | None = None,
    cache: Path | str | None = None,
    progress: Progress | None = None,
    *,
    device: str = "cpu",
    batch: int = BATCH,
    table: Mapping[str, FeatureRow] = FEATURES,
) -> Features:
    """Features of images.

    Parameters
    ----------
    images
        ``(n, 3 or 1, H, W)`` floats in [0, 1]. An image that comes twice is encoded once.
    name
        A name of `calibration.features.FEATURES`. The default is the weight-free ``"gabor_pyramid"``, a stand-in
        for a trained encoder.
    weights
        Weight file as its authors publish it.
    cache
        Folder in which features are kept and looked for: by pixels, encoder and weights.
    device
        Where the network runs, as PyTorch calls it.

    Returns
    -------
    ndarray
        ``(n, dim)`` float32.

    Raises
    ------
    ConfigError
        For an unknown name.
    BadInput
        For images of another form, and for weights that are missing or those of another network.
    """
    row, images = feature_row(name, table), checked(images)
    keys = pixel_keys(images)
    store = None if cache is None else Store(Path(cache), row, identity(row, weights))
    known = {} if store is None else store.find(keys)
    first = {key: at for at, key in reversed(list(enumerate(keys))) if key not in known}
    missing = sorted(first, key=first.__getitem__)
    progress = progress or Progress()
    if missing:
        encoder = open_encoder(row, weights, device)
        progress.begin(f"features, {name}", -(-len(missing) // batch))
        for at in range(0, len(missing), batch * KEPT_EVERY):
            part, done = missing[at : at + batch * KEPT_EVERY], []
            for start in range(0, len(part), batch):
                done.append(encoder.encode(images[[first[key] for key in part[start : start + batch]]]))
                progress.advance()
            features = np.concatenate(done)
            known |= dict(zip(part, features, strict=True))
            if store is not None:
                store.add(part, features)
    return np.stack([known[key] for key in keys]) if keys else np.empty((0, row.dim), np.float32)
