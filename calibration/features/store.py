"""Features that were computed before, on disk: never wrong, at worst computed again.

One folder per encoder, version and weights. An entry is a JSON file that lists the sha256 of each image and names a
safetensors file with their features and its sha256. Whole files are put in place at once, the JSON last, so that many
may write at the same time; an entry that does not hold what it says is removed and its images are computed again.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from calibration.features.row import FeatureRow
from streamkit.errors import BadInput
from streamkit.inference.cache import read_json, remove, write_json, write_whole

logger = logging.getLogger(__name__)
TENSOR = "features"
Features = NDArray[np.float32]


def pixel_keys(images: Features) -> list[str]:
    """sha256 (hex) of each image's shape and pixels."""
    head = repr(images.shape[1:]).encode()
    return [hashlib.sha256(head + np.ascontiguousarray(image, "<f4").tobytes()).hexdigest() for image in images]


class Store:
    """Features of one encoder.

    Parameters
    ----------
    folder
        Of all encoders; made where it is missing.
    weights
        sha256 of the weight file.

    Raises
    ------
    BadInput
        When the folder cannot be made.
    """

    def __init__(self, folder: Path, row: FeatureRow, weights: str) -> None:
        self._row = row
        self._folder = folder / f"{row.name}-v{row.version}" / weights[:16]
        self._about = {"encoder": row.name, "version": row.version, "weights": weights, "dim": row.dim}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(f"the cache {folder} cannot be made: {error.strerror}. Choose another folder") from error

    def find(self, keys: Sequence[str]) -> dict[str, Features]:
        """Features of those images that are there, by key."""
        wanted, found = set(keys), dict[str, Features]()
        for index in sorted(self._folder.glob("*.json")):
            entry = read_json(index)
            if not self._mine(entry):
                self._forget(index, None)
            elif here := wanted.intersection(entry["images"]) - found.keys():
                rows = self._rows(entry)
                if rows is None:
                    self._forget(index, entry)
                else:
                    found |= {key: row for key, row in zip(entry["images"], rows, strict=True) if key in here}
        return found

    def add(self, keys: Sequence[str], features: Features) -> None:
        """Keep the features of images, ``(len(keys), dim)``; where the disk does not take them, nothing is kept."""
        content = save({TENSOR: np.ascontiguousarray(features, np.float32)})
        digest = hashlib.sha256(content).hexdigest()
        tensor = self._folder / f"{digest[:32]}.safetensors"
        name = hashlib.sha256(json.dumps(list(keys)).encode()).hexdigest()[:32]
        try:
            write_whole(tensor, content)
        except OSError as error:
            logger.warning("features are not kept in %s: %s", self._folder, error)
            return
        write_json(self._folder / f"{name}.json", {**self._about, "images": list(keys), "sha256": digest})

    def _mine(self, entry: Any) -> bool:
        if not isinstance(entry, dict) or {key: entry.get(key) for key in self._about} != self._about:
            return False
        images = entry.get("images")
        return isinstance(images, list) and all(isinstance(key, str) for key in [*images, entry.get("sha256")])

    def _tensor(self, entry: dict[str, Any]) -> Path:
        return self._folder / f"{Path(entry['sha256']).name[:32]}.safetensors"

    def _rows(self, entry: dict[str, Any]) -> Features | None:
        """An entry's features; None when they are not what it says."""
        try:
            content = self._tensor(entry).read_bytes()
            features = load(content)[TENSOR] if hashlib.sha256(content).hexdigest() == entry["sha256"] else None
        except (OSError, KeyError, SafetensorError):
            return None
        fits = features is not None and features.shape == (len(entry["images"]), self._row.dim)
        return features if fits else None

    def _forget(self, index: Path, entry: dict[str, Any] | None) -> None:
        logger.warning("%s does not hold what it says: its features are computed again", index)
        remove(index)
        if entry is not None:
            remove(self._tensor(entry))
